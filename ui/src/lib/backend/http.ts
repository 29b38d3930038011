import { type Answer, type Backend, type Duplex, type Request, Unreachable, type Upgrade } from './backend';
import { isInstead, words } from './instead';

/** On every answer that came by the bridge (`dev/bridge.ts`): who gave it. */
const MARK = 'x-berth-bridge';
const MULTIPLEXED = 'application/vnd.docker.multiplexed-stream';
/** Above this a writer waits until the browser has sent what it was given. */
const HIGH = 1 << 20;
const LOOK_AGAIN = 20;

/** Whom the bridge leads to. */
export type Peer = 'engine' | 'daemon';
const QUESTION: Record<Peer, string> = { engine: '/_ping', daemon: '/version' };

/** An engine or a daemon behind the server that gave out the pages. */
export class Http implements Backend {
  /** `base` ends in a slash, as `http://127.0.0.1:5173/`. */
  constructor(
    readonly peer: Peer = 'engine',
    readonly base: string = new URL('./', location.href).href,
  ) {}

  /** Whether there is a bridge to it at all, be it reachable or not. */
  async exists(): Promise<boolean> {
    const { base, peer } = this;
    const answer = await fetch(`${base}${peer}${QUESTION[peer]}`, { method: 'HEAD' }).catch(() => undefined);
    return answer?.headers.has(MARK) ?? false;
  }

  async request(request: Request): Promise<Answer> {
    if (isEndless(this.peer, request)) return this.#follow(request);
    const { method, path, body, signal } = request;
    let answer: Response;
    try {
      answer = await fetch(`${this.base}${this.peer}${path}`, {
        method,
        headers: request.headers,
        body: body as BodyInit,
        signal,
        cache: 'no-store',
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new Unreachable((error as Error).message);
    }
    const by = answer.headers.get(MARK);
    if (by === 'unreachable') throw new Unreachable(await words(answer.body));
    if (by === null) throw new Unreachable(`${this.base} has no bridge to ${NAMES[this.peer]}`);
    const headers = Object.fromEntries(answer.headers);
    if (this.peer === 'engine' && isInstead(answer.status, headers)) throw new Unreachable(await words(answer.body));
    return {
      status: answer.status,
      headers,
      body: answer.body ?? new ReadableStream({ start: (controller) => controller.close() }),
    };
  }

  async upgrade(request: Request): Promise<Upgrade> {
    const { socket, told, output } = await this.#open(request, {});
    if (this.peer === 'engine' && isInstead(told.status, told.headers)) throw new Unreachable(await words(output));
    return upgradeOf(socket, told, output);
  }

  async #follow(request: Request): Promise<Answer> {
    const { told, output } = await this.#open(request, { plain: true });
    const answer = { status: told.status, headers: told.headers, body: output };
    if (this.peer === 'engine' && isInstead(told.status, told.headers)) throw new Unreachable(await words(output));
    return answer;
  }

  #open(request: Request, more: { plain?: boolean }): Promise<Opened> {
    return new Promise((resolve, reject) => {
      if (request.signal?.aborted) return reject(request.signal.reason as Error);
      const socket = new WebSocket(`${this.base.replace(/^http/, 'ws')}${this.peer}-upgrade`);
      socket.binaryType = 'arraybuffer';
      let head: Head | undefined;
      const output = outputOf(socket, request.signal);
      const aborted = () => {
        // At once: the close of a WebSocket is a matter of both sides.
        output.end(false);
        socket.close();
        reject(request.signal!.reason as Error);
      };
      request.signal?.addEventListener('abort', aborted, { once: true });
      socket.addEventListener('open', () => void opening(request, more).then((text) => socket.send(text)));
      socket.addEventListener('message', ({ data }: MessageEvent<string | ArrayBuffer>) => {
        if (typeof data !== 'string') return output.push(new Uint8Array(data));
        head = JSON.parse(data) as Head;
        if ('unreachable' in head) reject(new Unreachable(head.unreachable));
        else resolve({ socket, told: head, output: output.stream });
      });
      // Says nothing that the close, which follows it, does not.
      socket.addEventListener('error', () => undefined);
      socket.addEventListener('close', ({ code }) => {
        request.signal?.removeEventListener('abort', aborted);
        output.end(code === 1000);
        if (head === undefined) reject(new Unreachable('the connection ended before an answer'));
      });
    });
  }
}

const NAMES: Record<Peer, string> = { engine: 'an engine', daemon: 'a daemon' };

/**
 * Whether it answers until somebody goes. A browser has six connections to a server for all of its pages, which a few followed
 * logs would hold for ever; WebSockets are not counted among them.
 */
function isEndless(peer: Peer, { method, path }: Request): boolean {
  if (method !== 'GET') return false;
  const [place, query] = path.split('?', 2) as [string, string?];
  const given = new URLSearchParams(query);
  const says = (name: string, otherwise: string) => /^(1|true)$/i.test(given.get(name) ?? otherwise);
  if (peer === 'daemon') return place === '/watch' || (place === '/logs' && given.get('follow') === 'true');
  if (/^\/(containers|berth\/builds)\/[^/]+\/logs$/.test(place)) return says('follow', '0');
  if (/^\/containers\/[^/]+\/stats$/.test(place)) return says('stream', '1');
  return place === '/events';
}

type Opened = { socket: WebSocket; told: Told; output: ReadableStream<Uint8Array> };
type Told = { status: number; headers: Record<string, string>; upgraded: boolean };
type Head = Told | { unreachable: string };

function upgradeOf(
  socket: WebSocket,
  { status, headers, upgraded }: Told,
  output: ReadableStream<Uint8Array>,
): Upgrade {
  if (!upgraded) return { answer: { status, headers, body: output } };
  return { duplex: duplexOf(socket, output, headers['content-type'] === MULTIPLEXED) };
}

function duplexOf(socket: WebSocket, output: ReadableStream<Uint8Array>, framed: boolean): Duplex {
  let writable = true;
  const send = (message: string | Uint8Array<ArrayBuffer>) => {
    if (!writable || socket.readyState !== WebSocket.OPEN) throw new Error('the connection has ended');
    socket.send(message);
  };
  return {
    output,
    framed,
    async write(bytes) {
      send(bytes as Uint8Array<ArrayBuffer>);
      // A WebSocket tells nobody when it has sent: its own count is all that there is to look at.
      while (socket.bufferedAmount > HIGH) await new Promise((again) => setTimeout(again, LOOK_AGAIN));
    },
    async closeWrite() {
      send(JSON.stringify({ close: 'write' }));
      writable = false;
    },
    close() {
      socket.close();
    },
  };
}

/** What comes over a socket, as a stream that ends with it. */
function outputOf(socket: WebSocket, signal: AbortSignal | undefined) {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let open = true;
  const stream = new ReadableStream<Uint8Array>({
    start: (own) => void (controller = own),
    cancel: () => {
      open = false;
      socket.close();
    },
  });
  return {
    stream,
    push: (bytes: Uint8Array) => {
      if (open) controller.enqueue(bytes);
    },
    end: (well: boolean) => {
      if (!open) return;
      open = false;
      if (well) controller.close();
      else controller.error(signal?.aborted ? signal.reason : new Unreachable('the connection broke'));
    },
  };
}

async function opening({ method, path, headers, body }: Request, more: { plain?: boolean }): Promise<string> {
  const text = body === undefined || typeof body === 'string' ? body : await new Response(body as BodyInit).text();
  return JSON.stringify({ method, path, headers, body: text, ...more });
}
