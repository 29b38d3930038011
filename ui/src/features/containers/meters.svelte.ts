import { statsOnce } from '$lib/api/containers';
import type { ContainerStats } from '$lib/api/generated';
import { usage, type Usage } from '$lib/api/usage';
import { Unreachable, type Backend } from '$lib/backend/backend';
import { pool } from './pool';

/** How long the pictures reach back: a minute. */
const KEPT = 30;
const EVERY = 2000;
const AT_ONCE = 4;
/** Rows that come into view together are asked for together. */
const SOON = 30;

/** What one container used lately. */
export class Meter {
  now = $state.raw<Usage>();
  /** 1 is one processor. */
  cpu = $state.raw<number[]>([]);
  memory = $state.raw<number[]>([]);
  #sample?: ContainerStats;
  #at = -Infinity;

  /** When it is to be asked for again. */
  get due(): number {
    return this.#at + EVERY;
  }

  asked(at: number): void {
    // A picture with a hole in it would lie about when things were.
    if (at - this.#at > 3 * EVERY) this.clear();
    this.#at = at;
  }

  take(sample: ContainerStats): void {
    // Single shots have no sample before them: the one that was seen last is.
    const before = this.#sample?.cpu_stats ?? sample.precpu_stats;
    this.#sample = sample;
    this.now = usage({ ...sample, precpu_stats: before });
    if (this.now.cpu !== undefined) this.cpu = [...this.cpu, this.now.cpu].slice(-KEPT);
    this.memory = [...this.memory, this.now.memory].slice(-KEPT);
  }

  clear(): void {
    this.#sample = undefined;
    this.now = undefined;
    this.cpu = [];
    this.memory = [];
  }
}

/** Asks the engine what the watched containers use, every two seconds, a few at a time, while somebody can see it. */
export class Meters {
  /** Counts rounds, for what wants to look at all at once. */
  round = $state(0);
  #backend: Backend;
  #meters = new Map<string, Meter>();
  #watched = new Map<string, number>();
  #timer?: ReturnType<typeof setTimeout>;
  #abort?: AbortController;
  #asking = false;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  of(id: string): Meter {
    let meter = this.#meters.get(id);
    if (meter === undefined) this.#meters.set(id, (meter = new Meter()));
    return meter;
  }

  /** Keeps asking for `id` until the answer is called. */
  watch(id: string): () => void {
    this.#watched.set(id, (this.#watched.get(id) ?? 0) + 1);
    this.#schedule();
    return () => {
      const left = this.#watched.get(id)! - 1;
      if (left > 0) this.#watched.set(id, left);
      else this.#watched.delete(id);
    };
  }

  /** Forgets containers that there are no more. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#meters.keys()) if (!ids.has(id) && !this.#watched.has(id)) this.#meters.delete(id);
  }

  run(): () => void {
    this.#abort = new AbortController();
    const seen = () => this.#schedule();
    document.addEventListener('visibilitychange', seen);
    this.#schedule();
    return () => {
      document.removeEventListener('visibilitychange', seen);
      clearTimeout(this.#timer);
      this.#abort?.abort();
      this.#abort = undefined;
    };
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#abort === undefined || this.#asking || document.hidden || this.#watched.size === 0) return;
    const next = Math.min(...[...this.#watched.keys()].map((id) => this.of(id).due));
    this.#timer = setTimeout(() => void this.#round(), Math.max(SOON, next - Date.now()));
  }

  async #round(): Promise<void> {
    const signal = this.#abort!.signal;
    const begun = Date.now();
    const due = [...this.#watched.keys()].filter((id) => this.of(id).due <= begun + SOON);
    this.#asking = true;
    for (const id of due) this.of(id).asked(begun);
    try {
      await pool(due, AT_ONCE, (id) => this.#ask(id, signal));
    } catch {
      // The engine is away: whoever draws the lists says so, and the next round tries again.
    }
    this.#asking = false;
    this.round += 1;
    this.#schedule();
  }

  async #ask(id: string, signal: AbortSignal): Promise<void> {
    try {
      const sample = await statsOnce(this.#backend, id, { rates: false, signal });
      if (signal.aborted) return;
      // Without a process there are no figures.
      if (sample.cpu_stats.system_cpu_usage === undefined) this.of(id).clear();
      else this.of(id).take(sample);
    } catch (error) {
      if (error instanceof Unreachable || signal.aborted) throw error;
      // One that is gone or ends at this moment has nothing to tell; the list learns it by events.
      this.of(id).clear();
    }
  }
}
