import { type ClientRequest, type IncomingMessage, request as open } from 'node:http';
import { Readable } from 'node:stream';
import type { Duplex as Socket } from 'node:stream';
import { type Answer, type Backend, type Duplex, type Request, Unreachable, type Upgrade } from '$lib/backend/backend';

/** A real engine, at its socket. */
export class SocketBackend implements Backend {
  constructor(private readonly socketPath: string) {}

  request(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(request, {}, reject);
      sent.on('response', (answer) => resolve(answerOf(answer)));
    });
  }

  upgrade(request: Request): Promise<Upgrade> {
    return new Promise((resolve, reject) => {
      const sent = this.#send(request, { connection: 'Upgrade', upgrade: 'tcp' }, reject);
      sent.on('response', (answer) => resolve({ answer: answerOf(answer) }));
      sent.on('upgrade', (answer, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        const framed = answer.headers['content-type'] === 'application/vnd.docker.multiplexed-stream';
        resolve({ duplex: duplexOf(socket, framed) });
      });
    });
  }

  #send(
    { method, path, headers, body, signal }: Request,
    more: Record<string, string>,
    reject: (error: unknown) => void,
  ): ClientRequest {
    const { socketPath } = this;
    const bytes = typeof body === 'string' ? Buffer.from(body) : (body as Uint8Array | undefined);
    const length = bytes === undefined && method === 'GET' ? {} : { 'content-length': String(bytes?.length ?? 0) };
    const sent = open({
      socketPath,
      method,
      path,
      headers: { host: 'docker', ...headers, ...length, ...more },
      signal,
    });
    sent.on('error', (error) => reject(signal?.aborted ? signal.reason : new Unreachable(error.message)));
    sent.end(bytes);
    return sent;
  }
}

function answerOf(answer: IncomingMessage): Answer {
  return {
    status: answer.statusCode!,
    headers: answer.headers as Record<string, string>,
    body: Readable.toWeb(answer) as ReadableStream<Uint8Array>,
  };
}

function duplexOf(socket: Socket, framed: boolean): Duplex {
  return {
    output: Readable.toWeb(socket) as ReadableStream<Uint8Array>,
    framed,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (!socket.writable) return reject(new Error('the connection has ended'));
        socket.write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
    closeWrite: () => new Promise((resolve) => void socket.end(resolve)),
    close: () => void socket.destroy(),
  };
}
