import { usage } from '$lib/api/usage';
import type { ContainerStats } from '$lib/api/generated';
import { instant } from '$lib/live/clock';

/** One moment of a container; what cannot be told of it is NaN, which charts leave out. */
export type Point = {
  /** Milliseconds, by the engine's clock. */
  at: number;
  /** 1 is one processor, whole. */
  cpu: number;
  memory: number;
  /** Bytes a second. */
  received: number;
  sent: number;
  read: number;
  written: number;
  processes: number;
};

/** What was counted since the container started. */
export type Totals = {
  received: number;
  sent: number;
  read: number;
  written: number;
  limit?: number;
  processesLimit?: number;
};

/** How far back charts go. */
export const KEPT = 5 * 60 * 1000;
/** Samples come once a second; a longer silence is a gap. */
const GAP = 5000;

const COUNTED = ['received', 'sent', 'read', 'written'] as const;

/** The last minutes of a container's use, made of one sample after the other. */
export class History {
  #points: Point[] = [];
  #totals: (Totals & { at: number }) | undefined;

  get points(): readonly Point[] {
    return this.#points;
  }

  get totals(): Totals | undefined {
    return this.#totals;
  }

  add(sample: ContainerStats): void {
    const at = instant(sample.read);
    // The engine answers for a container that does not run with a sample of zeros and no time.
    if (at === undefined || at <= 0) return;
    const before = this.#totals;
    const now = usage(sample);
    const passed = before === undefined ? NaN : (at - before.at) / 1000;
    const rate = (counted: (typeof COUNTED)[number]) => {
      if (before === undefined || !(passed > 0) || passed * 1000 > GAP) return NaN;
      // Counters begin anew when the container starts again.
      return now[counted] < before[counted] ? NaN : (now[counted] - before[counted]) / passed;
    };
    if (before !== undefined && at - before.at > GAP) this.#gap(before.at + 1);
    this.#points.push({
      at,
      cpu: now.cpu ?? NaN,
      memory: now.memory,
      received: rate('received'),
      sent: rate('sent'),
      read: rate('read'),
      written: rate('written'),
      processes: now.processes,
    });
    const { received, sent, read, written, limit } = now;
    this.#totals = { at, received, sent, read, written, limit, processesLimit: processesLimit(sample) };
    const first = this.#points.findIndex((point) => point.at >= at - KEPT);
    if (first > 0) this.#points.splice(0, first);
  }

  #gap(at: number): void {
    this.#points.push({ at, cpu: NaN, memory: NaN, received: NaN, sent: NaN, read: NaN, written: NaN, processes: NaN });
  }
}

// Without a limit the kernel's `max` comes as the largest number there is.
function processesLimit({ pids_stats: { limit } }: ContainerStats): number | undefined {
  return limit === undefined || limit === 0 || limit > Number.MAX_SAFE_INTEGER ? undefined : limit;
}
