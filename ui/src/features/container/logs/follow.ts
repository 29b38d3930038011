import { address, call, Refused } from '$lib/api/call';
import { isFramed } from '$lib/api/connection';
import { chunks } from '$lib/api/lines';
import { step } from '$lib/api/path';
import { type Backend, Unreachable } from '$lib/backend/backend';
import type { Bell } from '$lib/live/bell';
import { type Entry, Records } from './records';

/** How a follower stands. */
export type Standing =
  | { at: 'reading' }
  /** Everything is read; more comes when the container starts again. */
  | { at: 'ended' }
  /** The engine does not answer; it is tried again by itself. */
  | { at: 'waiting' }
  | { at: 'refused'; error: Refused };

export interface Following {
  backend: Backend;
  id: string;
  /** How many lines of the past; all if not given. */
  tail?: number;
  /** What was read of it before: it is gone on from there. */
  seen?: Seen;
  /** To be rung when the container starts and when the engine is back. */
  bell: Bell;
  signal: AbortSignal;
  onEntries(entries: Entry[]): void;
  onStanding(standing: Standing): void;
  /** Whether the container runs now: an end of the stream while it does is a broken connection. */
  running(): Promise<boolean>;
}

/** Waits between tries while the engine cannot be reached, in milliseconds. */
const WAITS = [500, 1000, 2000, 5000, 10_000];

/**
 * Reads a container's log and goes on doing so, over ends of the container and of the engine, until `signal`. After a break it asks
 * for what came since a little before the last line, and leaves out what it has: no line is lost or comes twice.
 */
export async function follow(of: Following): Promise<void> {
  const seen = of.seen ?? new Seen();
  let failures = 0;
  while (!of.signal.aborted) {
    try {
      of.onStanding({ at: 'reading' });
      if (!(await read(of, seen, () => (failures = 0)))) {
        of.onStanding({ at: 'ended' });
        await of.bell.sleep(of.signal);
        continue;
      }
      // Still running: it restarted in between, or somebody cut the stream. A pause, lest a stream that ends at once is asked for at once.
      failures++;
    } catch (error) {
      if (of.signal.aborted) return;
      if (error instanceof Refused) {
        of.onStanding({ at: 'refused', error });
        await of.bell.sleep(of.signal);
        continue;
      }
      if (!(error instanceof Unreachable)) console.warn('the log broke off', error);
      failures++;
    }
    if (failures > 1) of.onStanding({ at: 'waiting' });
    await of.bell.sleep(of.signal, WAITS[Math.min(failures, WAITS.length) - 1]);
  }
}

/** Reads until the stream ends in order; whether the container runs then. */
async function read(of: Following, seen: Seen, onData: () => void): Promise<boolean> {
  const since = seen.since();
  const answer = await call(of.backend, {
    method: 'GET',
    path: address(`/containers/${step(of.id)}/logs`, {
      stdout: 1,
      stderr: 1,
      timestamps: 1,
      follow: 1,
      since,
      tail: since === undefined ? of.tail : undefined,
    }),
    signal: of.signal,
  });
  const records = new Records({ framed: isFramed(answer) });
  const known = seen.known();
  const take = (entries: Entry[]) => {
    const fresh = entries.filter((entry) => !known.has(entry));
    if (fresh.length === 0) return;
    onData();
    seen.add(fresh);
    of.onEntries(fresh);
  };
  for await (const chunk of chunks(answer.body)) take(records.push(chunk));
  const unfinished = records.end();
  const running = await of.running();
  // A line without its end is whole if the container has ended. Else the stream was cut within it: it is read again.
  if (running) seen.cut(unfinished);
  else take(unfinished);
  return running;
}

/** How far back a log is read again: lines of the two streams may stand a little out of order. */
const OVERLAP = 1_000_000_000n;
const REMEMBERED = 20_000;

/** The newest lines that came, to know them again. */
export class Seen {
  #times: string[] = [];
  // Stream and length tell apart what one nanosecond holds; keeping the texts would hold on to lines that the buffer let go.
  #shapes: number[] = [];
  #latest = '';
  #forgot = false;
  /** When what has to be read again began; empty if nothing has to. */
  #cut = '';

  /** Lines that came in part only. */
  cut(entries: readonly Entry[]): void {
    for (const { time } of entries) if (time !== '' && (this.#cut === '' || time < this.#cut)) this.#cut = time;
  }

  add(entries: readonly Entry[]): void {
    this.#cut = '';
    for (const entry of entries) {
      if (entry.time === '') continue;
      this.#times.push(entry.time);
      this.#shapes.push(shape(entry));
      if (entry.time > this.#latest) this.#latest = entry.time;
    }
    if (this.#times.length > 2 * REMEMBERED) {
      this.#times = this.#times.slice(-REMEMBERED);
      this.#shapes = this.#shapes.slice(-REMEMBERED);
      this.#forgot = true;
    }
  }

  /** From when the log is to be read again; undefined before the first line. */
  since(): string | undefined {
    if (this.#latest === '') return undefined;
    const first = this.#cut !== '' && this.#cut < this.#latest ? this.#cut : this.#latest;
    const back = nanoseconds(first) - OVERLAP;
    // Not before the oldest line remembered: what is older would come twice.
    const oldest = nanoseconds(this.#times[0]!) + 1n;
    return inSeconds(this.#forgot && oldest > back ? oldest : back);
  }

  /** Knows each line of the overlap again, once for every time that it came. */
  known(): { has(entry: Entry): boolean } {
    const latest = this.#latest;
    const counts = new Map<string, number>();
    this.#times.forEach((time, at) => {
      const key = `${time} ${this.#shapes[at]}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    });
    return {
      has(entry) {
        // What is newer than all that came needs no look: nearly every line.
        if (entry.time > latest) return false;
        const key = `${entry.time} ${shape(entry)}`;
        const left = counts.get(key) ?? 0;
        if (left > 0) counts.set(key, left - 1);
        return left > 0;
      },
    };
  }
}

function shape({ stream, text }: Entry): number {
  return text.length * 2 + (stream === 'stderr' ? 1 : 0);
}

/** Nanoseconds since the epoch of RFC 3339 in UTC; numbers of the language are too small for them. */
export function nanoseconds(time: string): bigint {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? '';
  const seconds = Math.floor(Date.parse(time.replace(/\.\d+/, '')) / 1000);
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0').slice(0, 9));
}

/** As the engine takes times: seconds, a point, nine digits. */
export function inSeconds(nanos: bigint): string {
  const whole = nanos / 1_000_000_000n;
  return `${whole}.${String(nanos % 1_000_000_000n).padStart(9, '0')}`;
}
