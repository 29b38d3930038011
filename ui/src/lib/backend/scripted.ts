import { type Answer, type Backend, type Request, Unreachable, type Upgrade } from './backend';

type Reply = Answer | Promise<Answer>;

/** A backend for tests of what speaks through one: each path is answered by a function, and every request is kept. */
export class Scripted implements Backend {
  readonly requests: Request[] = [];
  readonly routes: Record<string, (request: Request) => Reply>;

  constructor(routes: Record<string, (request: Request) => Reply>) {
    this.routes = routes;
  }

  async request(request: Request): Promise<Answer> {
    this.requests.push(request);
    request.signal?.throwIfAborted();
    const route = this.routes[request.path.split('?', 1)[0]!];
    if (route === undefined) throw new Unreachable(`nothing answers ${request.path}`);
    return route(request);
  }

  async upgrade(request: Request): Promise<Upgrade> {
    return { answer: await this.request(request) };
  }

  /** How often a path was asked for. */
  count(path: string): number {
    return this.requests.filter((request) => request.path.split('?', 1)[0] === path).length;
  }
}

export function answer(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers, body: new Response(text).body! };
}

/** An answer whose body the test writes as it goes; ends with the request's signal. */
export class Stream {
  readonly answer: Answer;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  cancelled = false;

  constructor(request: Pick<Request, 'signal'>, headers: Record<string, string> = {}) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => void (this.cancelled = true),
    });
    request.signal?.addEventListener('abort', () => this.fail(request.signal!.reason));
    this.answer = { status: 200, headers, body };
  }

  say(value: unknown): void {
    this.#controller.enqueue(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  }

  write(bytes: Uint8Array): void {
    this.#controller.enqueue(bytes);
  }

  end(): void {
    this.#controller.close();
  }

  fail(error: unknown): void {
    this.#controller.error(error);
  }
}
