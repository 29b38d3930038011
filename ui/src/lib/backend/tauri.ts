import { invoke } from '@tauri-apps/api/core';
import { type Answer, type Backend, type Duplex, type Request, Unreachable, type Upgrade } from './backend';
import { isInstead, words } from './instead';

/** How pages within the window reach engine and daemon. The commands are those of `app/src/requests`. */
type To = 'engine' | 'daemon';

/** Whom a request goes to: of which machine, which the program refuses when it shows another one by then. */
type Way = { readonly machine: string; readonly to: To };

type Head = { status: number; headers: Record<string, string>; stream: number; upgraded: boolean };

const MULTIPLEXED = 'application/vnd.docker.multiplexed-stream';

/** Larger bodies are sent in pieces of this, each when the engine has taken the one before it. */
const PIECE = 1 << 20;

/** The program around the pages carries their requests to one of its two sockets. */
export class Tauri implements Backend {
  readonly #way: Way;

  constructor(to: To, machine: string) {
    this.#way = { machine, to };
  }

  async request(request: Request): Promise<Answer> {
    const large = request.body instanceof Blob && request.body.size > PIECE;
    const head = large
      ? await upload(this.#way, request, request.body as Blob)
      : await ask('request', this.#way, request);
    return answerOf(this.#way, head, request.signal);
  }

  async upgrade(request: Request): Promise<Upgrade> {
    const head = await ask('upgrade', this.#way, request);
    if (!head.upgraded) return { answer: await answerOf(this.#way, head, request.signal) };
    return { duplex: duplexOf(head, request.signal) };
  }
}

async function ask(command: 'request' | 'upgrade', way: Way, request: Request): Promise<Head> {
  const { signal } = request;
  signal?.throwIfAborted();
  const body = await bytesOf(request.body);
  const head = told<Head>(command, body, { 'x-berth-request': headOf(way, request) });
  return heeding(signal, head, () => {
    // Nobody reads what still comes; that nothing came is as good.
    head.then(({ stream }) => invoke('close', { stream })).catch(() => undefined);
  });
}

/** `promise`, unless the signal aborts first: then its reason, at once, and `end` is called. */
async function heeding<T>(signal: AbortSignal | undefined, promise: Promise<T>, end: () => void): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const aborted = () => {
      end();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', aborted, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
    if (signal.aborted) aborted();
  });
}

async function upload(way: Way, request: Request, body: Blob): Promise<Head> {
  const { method, path, headers = {}, signal } = request;
  signal?.throwIfAborted();
  const stream = await told<number>('upload', { head: { ...way, method, path, headers } });
  const close = () => void invoke('close', { stream });
  // An answer may come before the body has been read to its end, as a refusal does.
  const answer = told<Head>('answer', { stream });
  const unreadable = new Promise<never>((_, reject) => {
    send(stream, body, signal).catch((error: unknown) => (close(), reject(error as Error)));
  });
  return heeding(signal, Promise.race([answer, unreadable]), close);
}

/** Sends the file in pieces; rejects when it cannot be read, as one that was removed meanwhile. */
async function send(stream: number, body: Blob, signal: AbortSignal | undefined): Promise<void> {
  for (let at = 0; at < body.size; at += PIECE) {
    const piece = new Uint8Array(await body.slice(at, at + PIECE).arrayBuffer());
    if (signal?.aborted) return;
    try {
      await invoke('write', piece, { headers: { 'x-berth-stream': String(stream) } });
    } catch {
      // Why it was not taken is in the answer.
      return;
    }
  }
  await invoke('close_write', { stream }).catch(() => undefined);
}

async function answerOf({ to }: Way, head: Head, signal?: AbortSignal): Promise<Answer> {
  const body = bodyOf(head.stream, signal);
  if (to === 'engine' && isInstead(head.status, head.headers)) throw new Unreachable(await words(body));
  return { status: head.status, headers: head.headers, body };
}

/** Pulled piece by piece: a page that does not read does not fill the memory. */
function bodyOf(stream: number, signal?: AbortSignal): ReadableStream<Uint8Array> {
  const close = () => void invoke('close', { stream });
  let aborted = () => {};
  // Signals outlive bodies by far, and would keep them.
  const ended = () => signal?.removeEventListener('abort', aborted);
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        aborted = () => (close(), controller.error(signal!.reason));
        if (signal?.aborted) aborted();
        else signal?.addEventListener('abort', aborted, { once: true });
      },
      async pull(controller) {
        try {
          const bytes = new Uint8Array(await told<ArrayBuffer>('read', { stream }));
          if (signal?.aborted) return;
          if (bytes.length > 0) return controller.enqueue(bytes);
          controller.close();
        } catch (error) {
          if (signal?.aborted) return;
          controller.error(error);
        }
        ended();
      },
      cancel: () => (ended(), close()),
    },
    { highWaterMark: 0 },
  );
}

function duplexOf(head: Head, signal?: AbortSignal): Duplex {
  const { stream } = head;
  // Two that are asked for at once may come in any order.
  let last: Promise<void> = Promise.resolve();
  const next = (write: () => Promise<void>) => {
    const written = last.then(write);
    last = written.catch(() => undefined);
    return written;
  };
  return {
    output: bodyOf(stream, signal),
    framed: head.headers['content-type'] === MULTIPLEXED,
    write: (bytes) => next(() => told('write', bytes, { 'x-berth-stream': String(stream) })),
    closeWrite: () => next(() => told('close_write', { stream })),
    close: () => void invoke('close', { stream }),
  };
}

/** The program's answer. That engine or daemon is away becomes `Unreachable`; what it cannot or will not do is an error with its words. */
async function told<T>(
  command: string,
  argument: Uint8Array | Record<string, unknown>,
  headers?: Record<string, string>,
): Promise<T> {
  try {
    return await invoke<T>(command, argument, headers && { headers });
  } catch (error) {
    const { kind, message = String(error) } = error as { kind?: string; message?: string };
    throw kind === 'unreachable' ? new Unreachable(message) : new Error(message, { cause: error });
  }
}

async function bytesOf(body: Request['body']): Promise<Uint8Array> {
  if (body === undefined) return new Uint8Array();
  if (typeof body === 'string') return new TextEncoder().encode(body);
  return body instanceof Blob ? new Uint8Array(await body.arrayBuffer()) : body;
}

/** As the value of a header: characters beyond ASCII as escapes of JSON. */
function headOf(way: Way, { method, path, headers = {} }: Request): string {
  const text = JSON.stringify({ ...way, method, path, headers });
  return text.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
