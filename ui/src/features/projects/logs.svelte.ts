import { SvelteMap } from 'svelte/reactivity';
import { follow, Seen } from '$features/container/logs/follow';
import type { Entry } from '$features/container/logs/records';
import { pool } from '$features/containers/pool';
import { Refused } from '$lib/api/call';
import { words } from '$lib/kit/toasts.svelte';
import type { Backend } from '$lib/backend/backend';
import { Bell } from '$lib/live/bell';
import { history } from './history';
import { Interleaver, merged } from './merge';

/** A container whose log is wanted. */
export type Source = { id: string; label: string; alive: boolean };

/** How far back each log is shown at first. */
const LINES = 1000;
const AT_ONCE = 6;

class Reading {
  readonly seen = new Seen();
  readonly bell = new Bell();
  readonly abort = new AbortController();
  followed = false;

  constructor(public source: Source) {}
}

/**
 * The logs of several containers as one, by time. What is there already is read to its end and merged exactly; what comes is followed,
 * and put in order as far as it comes together.
 */
export class ProjectLogs {
  /** False until what was there is shown. */
  ready = $state(false);
  /** Logs that the engine refuses, by the label of their source: its words. */
  readonly refused = new SvelteMap<string, string>();

  readonly #backend: Backend;
  readonly #out: (entries: Entry[]) => void;
  readonly #interleaver: Interleaver<Entry>;
  readonly #readings = new Map<string, Reading>();
  #begun = false;
  #stopped = false;

  constructor(backend: Backend, out: (entries: Entry[]) => void) {
    this.#backend = backend;
    this.#out = out;
    this.#interleaver = new Interleaver(out);
  }

  /** Says which containers there are now. */
  set(sources: readonly Source[]): void {
    const there = new Set(sources.map((source) => source.id));
    for (const [id, reading] of this.#readings) {
      if (there.has(id)) continue;
      reading.abort.abort();
      this.#readings.delete(id);
      this.refused.delete(reading.source.label);
    }
    for (const source of sources) {
      const known = this.#readings.get(source.id);
      if (known === undefined) this.#readings.set(source.id, new Reading(source));
      else {
        const started = source.alive && !known.source.alive;
        known.source = source;
        if (started) known.bell.ring();
      }
    }
    if (this.ready) this.#followAll();
    else if (!this.#begun && sources.length > 0) void this.#begin();
  }

  /** The engine is there again: nobody waits any longer. */
  wake(): void {
    for (const { bell } of this.#readings.values()) bell.ring();
  }

  stop(): void {
    this.#stopped = true;
    this.#interleaver.drop();
    for (const { abort } of this.#readings.values()) abort.abort();
  }

  async #begin(): Promise<void> {
    this.#begun = true;
    const readings = [...this.#readings.values()];
    const lists = new Map<Reading, Entry[]>();
    await pool(readings, AT_ONCE, async (reading) => {
      const { source, seen, abort } = reading;
      try {
        const entries = await history(this.#backend, source.id, {
          lines: LINES,
          alive: source.alive,
          seen,
          signal: abort.signal,
        });
        lists.set(reading, this.#named(reading, entries));
      } catch (error) {
        // Following meets the same failure, and knows what to do about it.
        if (error instanceof Refused) this.#refuse(reading, error);
      }
    });
    if (this.#stopped) return;
    const entries = merged([...lists.values()]);
    if (entries.length > 0) this.#out(entries);
    this.ready = true;
    this.#followAll();
  }

  #followAll(): void {
    for (const reading of this.#readings.values()) {
      if (reading.followed) continue;
      reading.followed = true;
      void follow({
        backend: this.#backend,
        id: reading.source.id,
        tail: LINES,
        seen: reading.seen,
        bell: reading.bell,
        signal: reading.abort.signal,
        onEntries: (entries) => {
          this.refused.delete(reading.source.label);
          this.#interleaver.push(reading.source.id, this.#named(reading, entries));
        },
        onStanding: (standing) => {
          if (standing.at === 'refused') this.#refuse(reading, standing.error);
          else if (standing.at === 'ended') this.refused.delete(reading.source.label);
        },
        running: () => Promise.resolve(reading.source.alive),
      });
    }
  }

  #named(reading: Reading, entries: Entry[]): Entry[] {
    for (const entry of entries) entry.source = reading.source.label;
    return entries;
  }

  #refuse(reading: Reading, error: Refused): void {
    // One that is gone leaves the list next: that says enough.
    if (error.status !== 404 && !reading.abort.signal.aborted) {
      this.refused.set(reading.source.label, words(error));
    }
  }
}
