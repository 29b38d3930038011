import { Refused } from '$lib/api/call';
import { chunks } from '$lib/api/lines';
import { backoff } from './backoff';
import { Bell } from './bell';

/** How a follower stands: it reads, waits until it tries again, has read all, or was refused in the words of `error`. */
export type Standing = { at: 'reading' | 'waiting' | 'ended' } | { at: 'refused'; error: Refused };

/** A stream that begins at its beginning each time that it is opened. */
export interface Source {
  open(signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  /** Whether its end is the end of what it tells; else it is opened again after an end, and after a refusal as well. */
  ends: boolean;
}

/** What takes the bytes of a stream. */
export interface Sink {
  /** The stream is open: what came before comes again. */
  begin(): void;
  push(bytes: Uint8Array): void;
  /** It ended in order. */
  end(): void;
}

/** Reads a stream into a sink, and opens it again where it broke, with pauses that grow until something comes. */
export class Follower {
  standing = $state.raw<Standing>({ at: 'reading' });
  readonly #source: Source;
  readonly #sink: Sink;
  readonly #bell = new Bell();

  constructor(source: Source, sink: Sink) {
    this.#source = source;
    this.#sink = sink;
  }

  /** Tries now instead of later, for when who is asked is known to be there. */
  wake(): void {
    this.#bell.ring();
  }

  /** Follows until the function that it gives is called. */
  start(): () => void {
    const stop = new AbortController();
    void this.#follow(stop.signal);
    return () => stop.abort();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const standing = await this.#read(signal, () => (failures = 0));
      if (signal.aborted) return;
      this.standing = standing;
      if (this.#source.ends && standing.at !== 'waiting') return;
      await this.#bell.sleep(signal, backoff(failures++));
    }
  }

  /** Reads as far as there is something to read; how it stands after that. */
  async #read(signal: AbortSignal, onData: () => void): Promise<Standing> {
    try {
      const body = await this.#source.open(signal);
      this.standing = { at: 'reading' };
      this.#sink.begin();
      for await (const bytes of chunks(body)) {
        onData();
        this.#sink.push(bytes);
      }
      this.#sink.end();
      return { at: this.#source.ends ? 'ended' : 'waiting' };
    } catch (error) {
      return error instanceof Refused ? { at: 'refused', error } : { at: 'waiting' };
    }
  }
}
