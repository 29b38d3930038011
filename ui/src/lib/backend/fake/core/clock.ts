/** Where a simulated engine's time comes from: the browser's in a page, one that tests push on in a test. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `job` once, `ms` from now. Calling what is returned first prevents it. */
  after(ms: number, job: () => void): () => void;
}

export class RealClock implements Clock {
  now(): number {
    return Date.now();
  }

  after(ms: number, job: () => void): () => void {
    const timer = setTimeout(job, ms);
    // A test's program must not wait for a container that logs for ever. Only Node has this.
    (timer as unknown as { unref?: () => void }).unref?.();
    return () => clearTimeout(timer);
  }
}

type Timer = { at: number; order: number; job: () => void };

/** Stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now: number;
  #timers: Timer[] = [];
  #order = 0;

  constructor(start = Date.UTC(2026, 0, 15, 12)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, job: () => void): () => void {
    const timer = { at: this.#now + Math.max(ms, 0), order: this.#order++, job };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets `ms` pass: what is due happens at its time and in its order, and what follows from it before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#timers.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.job();
    }
    this.#now = end;
    await settled();
  }
}

/** Another clock that is `by` milliseconds ahead of (or, negative, behind) `clock`. */
export function shifted(clock: Clock, by: number): Clock {
  return { now: () => clock.now() + by, after: (ms, job) => clock.after(ms, job) };
}

// Promises that wait for each other, as in a chain of streams, need several turns.
async function settled(): Promise<void> {
  for (let turn = 0; turn < 25; turn++) await Promise.resolve();
}
