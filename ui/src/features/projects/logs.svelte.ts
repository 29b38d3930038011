import { SvelteMap } from 'svelte/reactivity';
import type { Entry } from '$features/container/logs/records';
import { pool } from '$features/containers/pool';
import { Refused } from '$lib/api/call';
import { Unreachable, type Backend } from '$lib/backend/backend';
import { Interleaver, merged } from './merge';
import { Tail } from './tail';

/** A container whose log is wanted. */
export type Source = { id: string; label: string; alive: boolean };

/** How far back each log is shown at first. */
const LINES = 1000;
const AT_ONCE = 6;
/** Until a log that broke off though its container runs is asked for again. */
const AGAIN = 1000;

type Reading = { source: Source; tail: Tail; state: 'new' | 'read' | 'followed' | 'gone'; abort: AbortController };

/**
 * The logs of several containers as one, by time. What is there already is read to its end and merged exactly; what comes is followed,
 * and put in order as far as it comes together.
 */
export class ProjectLogs {
  /** False until what was there is shown. */
  ready = $state(false);
  /** Logs that cannot be read, by the label of their source: why. */
  readonly failed = new SvelteMap<string, unknown>();

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
      this.failed.delete(reading.source.label);
    }
    for (const source of sources) {
      const known = this.#readings.get(source.id);
      if (known !== undefined) known.source = source;
      else {
        const tail = new Tail(this.#backend, source.id);
        this.#readings.set(source.id, { source, tail, state: 'new', abort: new AbortController() });
      }
    }
    if (!this.#begun) {
      if (sources.length > 0) void this.#begin();
      return;
    }
    if (!this.ready) return;
    for (const reading of this.#readings.values()) this.#follow(reading);
  }

  stop(): void {
    this.#stopped = true;
    this.#interleaver.drop();
    for (const reading of this.#readings.values()) reading.abort.abort();
  }

  async #begin(): Promise<void> {
    this.#begun = true;
    const readings = [...this.#readings.values()];
    const lists = new Map<Reading, Entry[]>();
    await pool(readings, AT_ONCE, async (reading) => {
      const list: Entry[] = [];
      lists.set(reading, list);
      await this.#read(reading, false, (entries) => {
        for (const entry of entries) list.push(entry);
      });
    });
    if (this.#stopped) return;
    const entries = merged(readings.map((reading) => lists.get(reading)!));
    if (entries.length > 0) this.#out(entries);
    this.ready = true;
    for (const reading of this.#readings.values()) this.#follow(reading);
  }

  #follow(reading: Reading): void {
    const { state, source } = reading;
    // One that was never read is read whether it runs or not.
    if (this.#stopped || state === 'followed' || state === 'gone' || (state === 'read' && !source.alive)) return;
    reading.state = 'followed';
    void this.#read(reading, true, (entries) => this.#interleaver.push(source.id, entries)).then(() => {
      if (reading.state === 'gone' || this.#stopped) return;
      reading.state = 'read';
      if (reading.source.alive) setTimeout(() => this.#follow(reading), AGAIN);
    });
  }

  async #read(reading: Reading, follow: boolean, take: (entries: Entry[]) => void): Promise<void> {
    const { source, tail, abort } = reading;
    try {
      for await (const entries of tail.read({ follow, lines: LINES, ended: !source.alive, signal: abort.signal })) {
        for (const entry of entries) entry.source = reading.source.label;
        take(entries);
      }
      this.failed.delete(source.label);
      if (!follow) reading.state = 'read';
    } catch (error) {
      if (abort.signal.aborted) reading.state = 'gone';
      else this.#failedOn(reading, error);
    }
  }

  #failedOn(reading: Reading, error: unknown): void {
    // The container is gone: the list will say so. Anything else that the engine refuses stays refused (a log driver without a log, say).
    if (error instanceof Refused) {
      reading.state = 'gone';
      if (error.status === 404) return;
    } else reading.state = 'read';
    // That the engine is away is told for the whole page.
    if (error instanceof Unreachable) return;
    this.failed.set(reading.source.label, error);
  }
}
