/**
 * A stream that is pushed into: from timers and programs on one side to a reader on the other. Who pushes can wait for the reader
 * (`room`), and learns when it has gone.
 */
export class Outlet {
  readonly stream: ReadableStream<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #open = true;
  #waiting: (() => void)[] = [];
  #gone: (() => void)[] = [];

  /** Ends, with an error for the reader, when `signal` says so. */
  constructor(signal?: AbortSignal, highWater = 64) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => this.#wake(),
        cancel: () => this.#left(),
      },
      { highWaterMark: highWater },
    );
    signal?.addEventListener('abort', () => this.fail(signal.reason), { once: true });
  }

  get open(): boolean {
    return this.#open;
  }

  push(chunk: Uint8Array): void {
    if (this.#open && chunk.length > 0) this.#controller.enqueue(chunk);
  }

  /** Resolves when the reader has taken enough of what was pushed, or has gone. */
  async room(): Promise<void> {
    while (this.#open && (this.#controller.desiredSize ?? 0) <= 0) {
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
  }

  end(): void {
    if (!this.#open) return;
    this.#controller.close();
    this.#left();
  }

  /** Ends as a connection that breaks. */
  fail(reason: unknown): void {
    if (!this.#open) return;
    this.#controller.error(reason);
    this.#left();
  }

  /** Runs `job` when nobody reads any more, for whatever reason. */
  whenGone(job: () => void): void {
    if (this.#open) this.#gone.push(job);
    else job();
  }

  #left(): void {
    this.#open = false;
    this.#wake();
    for (const job of this.#gone.splice(0)) job();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
