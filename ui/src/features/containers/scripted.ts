import { Unreachable, type Answer, type Backend, type Request } from '$lib/backend/backend';

export type Reply = { status?: number; body?: unknown; headers?: Record<string, string> };
type Script = (request: Request) => Reply | 'unreachable' | Promise<Reply | 'unreachable'>;

/** A backend that answers as a test says, and keeps what it was asked. */
export class Scripted implements Backend {
  readonly asked: string[] = [];

  constructor(readonly script: Script) {}

  async request(request: Request): Promise<Answer> {
    this.asked.push(`${request.method} ${request.path}`);
    const reply = await this.script(request);
    request.signal?.throwIfAborted();
    if (reply === 'unreachable') throw new Unreachable('nobody there');
    return { status: reply.status ?? 200, headers: reply.headers ?? {}, body: bodyOf(reply.body) };
  }

  upgrade(): Promise<never> {
    return Promise.reject(new Error('no connection is handed over here'));
  }
}

export function refused(status: number, message: string): Reply {
  return { status, body: { message } };
}

function bodyOf(body: unknown): ReadableStream<Uint8Array> {
  if (body instanceof ReadableStream) return body as ReadableStream<Uint8Array>;
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  return new Response(text).body ?? new ReadableStream({ start: (controller) => controller.close() });
}
