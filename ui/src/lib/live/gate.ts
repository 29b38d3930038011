/** Milliseconds that news are gathered for before a list is asked for again. */
const GATHER = 50;

/**
 * Lets one job run at a time, however often it is asked for. What is asked while it runs makes it run once more afterwards; a job that takes
 * long waits as long again, so that a storm of events leaves half of the time free.
 */
export class Gate {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #dirty = false;
  #stopped = false;
  #took = 0;

  /** `job` does not reject: what fails is its own to keep. */
  constructor(readonly job: () => Promise<void>) {}

  /** Runs the job soon; news that come close together make one run. */
  ask(): void {
    this.#after(Math.max(GATHER, this.#took));
  }

  /** Runs the job without waiting for more news. */
  askNow(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#after(0);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #after(wait: number): void {
    if (this.#stopped) return;
    if (this.#running) {
      this.#dirty = true;
      return;
    }
    this.#timer ??= setTimeout(() => void this.#run(), wait);
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#running = true;
    this.#dirty = false;
    const began = performance.now();
    await this.job();
    this.#took = performance.now() - began;
    this.#running = false;
    if (this.#dirty) this.ask();
  }
}
