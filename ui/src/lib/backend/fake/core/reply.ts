import type { Answer } from '../../backend';

/** What every answer carries. */
const STANDARD = {
  'api-version': '1.51',
  'docker-experimental': 'false',
  ostype: 'linux',
  server: 'Berth/0.1.0 (linux)',
};

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

export function json(value: unknown, status = 200): Answer {
  return bytes(encode(`${JSON.stringify(value)}\n`), 'application/json', status);
}

export const created = (value: unknown) => json(value, 201);
export const refused = (status: number, message: string) => (status === 304 ? empty(304) : json({ message }, status));

/** A failure as text in an answer that ends with the connection. */
export function bare(status: number, words: string): Answer {
  return bytes(encode(`${words}\r\n`), RAW_STREAM, status);
}

export function empty(status: number, headers: Record<string, string> = {}): Answer {
  const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  return { status, headers: { ...STANDARD, ...headers }, body };
}

export function bytes(content: Uint8Array, type: string, status = 200, headers: Record<string, string> = {}): Answer {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (content.length > 0) controller.enqueue(content);
      controller.close();
    },
  });
  const length = { 'content-length': String(content.length) };
  return { status, headers: { ...STANDARD, 'content-type': type, ...length, ...headers }, body };
}

export function stream(body: ReadableStream<Uint8Array>, type: string, status = 200): Answer {
  return { status, headers: { ...STANDARD, 'content-type': type }, body };
}

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** One value as a line of JSON. */
export function line(value: unknown): Uint8Array {
  return encode(`${JSON.stringify(value)}\n`);
}
