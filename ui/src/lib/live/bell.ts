/** Lets a sleeper know that something happened, also if it happened a moment before it went to sleep. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Sleeps until rung, or `milliseconds` are over, or `signal` is given. */
  async sleep(signal: AbortSignal, milliseconds?: number): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.#wake = undefined;
          resolve();
        };
        const timer = milliseconds === undefined ? undefined : setTimeout(done, milliseconds);
        this.#wake = done;
        signal.addEventListener('abort', done);
      });
    }
    this.#rung = false;
  }
}
