/**
 * One WebSocket for one connection that the engine hands over; or, asked for as `plain`, for the answer to an ordinary request.
 *
 *   page    text    {"method","path","headers","body","plain"}      once, first
 *   bridge  text    {"status","headers","upgraded"}         or {"unreachable": words}
 *   both    binary  bytes, as they are
 *   page    text    {"close":"write"}                       ends the process's standard input; output goes on
 *   bridge  close   1000 when the engine's end has come, 1011 when the connection broke
 */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';

export type Opening = {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
  plain?: boolean;
};
export type Head = { status: number; headers: Record<string, string>; upgraded: boolean } | { unreachable: string };

const HANDOVER = { connection: 'Upgrade', upgrade: 'tcp' };

// Above this the engine is asked to wait: a page that lags must not fill this program's memory.
const HIGH = 1 << 20;

export function hijack(client: WebSocket, socketPath: string): void {
  // A frame that is none, or a connection that is reset: its end follows, and with it that of the engine's.
  client.on('error', () => client.terminate());
  client.once('message', (data, binary) => {
    const opening = binary ? undefined : opened(data);
    if (opening === undefined) client.close(1002, 'the first message is no request');
    else open(client, socketPath, opening);
  });
}

function open(client: WebSocket, socketPath: string, { method, path, headers, body, plain }: Opening): void {
  let onward: ClientRequest;
  try {
    onward = request({
      socketPath,
      method,
      path,
      headers: { ...headers, host: 'docker', ...(!plain && HANDOVER), 'content-length': size(body) },
    });
  } catch (error) {
    malformed(client, (error as Error).message);
    return;
  }
  const early = new Early(client);
  client.once('close', () => onward.destroy());
  const head = (answer: IncomingMessage, upgraded: boolean) => {
    const sent: Head = { status: answer.statusCode!, headers: answer.headers as Record<string, string>, upgraded };
    client.send(JSON.stringify(sent));
  };
  onward.on('upgrade', (answer, socket, first) => {
    head(answer, true);
    if (first.length > 0) client.send(first);
    join(client, socket, early);
  });
  onward.on('response', (answer) => {
    head(answer, false);
    pour(client, answer);
  });
  onward.on('error', (error) => {
    const sent: Head = { unreachable: error.message };
    client.send(JSON.stringify(sent), () => client.close(1011));
  });
  onward.end(body);
}

/** What is no request at all never reaches the engine. */
function malformed(client: WebSocket, message: string): void {
  const sent: Head = { status: 400, headers: { 'content-type': 'application/json' }, upgraded: false };
  client.send(JSON.stringify(sent));
  client.send(Buffer.from(JSON.stringify({ message })), () => client.close(1000));
}

function join(client: WebSocket, socket: Duplex, early: Early): void {
  pour(client, socket);
  early.take((data, binary) => {
    // Bytes for a process that has ended: the end is already on its way to the page.
    if (!socket.writable) return;
    if (!binary) {
      if (isHalfClose(data)) socket.end();
      return;
    }
    if (!socket.write(bytes(data))) {
      client.pause();
      socket.once('drain', () => client.resume());
    }
  });
  client.once('close', () => socket.destroy());
}

/** Everything from `from` to the page, then the end. */
function pour(client: WebSocket, from: NodeJS.ReadableStream): void {
  from.on('data', (chunk: Buffer) => {
    client.send(chunk, () => {
      if (client.bufferedAmount < HIGH) from.resume();
    });
    if (client.bufferedAmount >= HIGH) from.pause();
  });
  from.on('end', () => client.close(1000));
  from.on('error', () => client.close(1011));
}

/** Messages that come before the engine has answered, kept in order. */
class Early {
  #kept: [RawData, boolean][] = [];
  #to: ((data: RawData, binary: boolean) => void) | undefined;

  constructor(client: WebSocket) {
    client.on('message', (data, binary) => {
      if (this.#to) this.#to(data, binary);
      else this.#kept.push([data, binary]);
    });
  }

  take(to: (data: RawData, binary: boolean) => void): void {
    for (const [data, binary] of this.#kept) to(data, binary);
    this.#kept = [];
    this.#to = to;
  }
}

function opened(data: RawData): Opening | undefined {
  try {
    const said = JSON.parse(bytes(data).toString()) as Partial<Opening>;
    if (typeof said.method !== 'string' || typeof said.path !== 'string') return undefined;
    return said as Opening;
  } catch {
    return undefined;
  }
}

function isHalfClose(data: RawData): boolean {
  try {
    return (JSON.parse(bytes(data).toString()) as { close?: unknown }).close === 'write';
  } catch {
    return false;
  }
}

function bytes(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

function size(body: string | undefined): string {
  return String(Buffer.byteLength(body ?? ''));
}
