import type { Stream } from '../process/process';

/** One message: a line, or a part of one that is longer than the engine's buffer. */
export interface Message {
  time: number;
  stream: Stream;
  bytes: Uint8Array;
}

/** A longer line becomes several messages, of which only the last ends in a newline. */
const LONGEST = 16 * 1024;
/** So many messages are kept: as many as a page must be able to show, and twice as many again. */
const KEPT = 300_000;
/** Thrown away at a time, since that copies what stays. */
const SLACK = 20_000;

/** What a container's process wrote, as a log driver keeps it. */
export class Log {
  messages: Message[] = [];
  /** Messages that were thrown away before the first that is kept. */
  dropped = 0;
  #rest: Record<Stream, Uint8Array> = { stdout: new Uint8Array(), stderr: new Uint8Array() };
  #followers = new Set<() => void>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  write(stream: Stream, bytes: Uint8Array): void {
    let left = bytes;
    while (left.length > 0) {
      const rest = this.#rest[stream];
      const room = LONGEST - rest.length;
      const window = left.subarray(0, room);
      const newline = window.indexOf(10);
      const end = newline >= 0 ? newline + 1 : window.length === room ? room : undefined;
      const piece = left.subarray(0, end ?? left.length);
      const whole = rest.length === 0 ? piece.slice() : concat(rest, piece);
      left = left.subarray(piece.length);
      this.#rest[stream] = end === undefined ? whole : new Uint8Array();
      if (end !== undefined) this.add({ time: this.#now(), stream, bytes: whole });
    }
    this.tell();
  }

  /** Adds a message as it is, for scenes that bring a past along. */
  add(message: Message): void {
    this.messages.push(message);
    if (this.messages.length > KEPT + SLACK) {
      this.dropped += this.messages.length - KEPT;
      this.messages = this.messages.slice(-KEPT);
    }
  }

  /** The end of a run: what is left of a line is a message too. */
  finish(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const bytes = this.#rest[stream];
      this.#rest[stream] = new Uint8Array();
      if (bytes.length > 0) this.add({ time: this.#now(), stream, bytes });
    }
    this.tell();
  }

  /** Calls `job` whenever there may be more. */
  follow(job: () => void): () => void {
    this.#followers.add(job);
    return () => this.#followers.delete(job);
  }

  tell(): void {
    for (const job of [...this.#followers]) job();
  }
}

function concat(one: Uint8Array, other: Uint8Array): Uint8Array {
  const whole = new Uint8Array(one.length + other.length);
  whole.set(one);
  whole.set(other, one.length);
  return whole;
}
