import { Frames } from '$lib/api/frames';
import { now } from '$lib/kit/clock.svelte';
import { AnsiReader, type Span } from './ansi';

/** One line of a log. */
export interface Entry {
  stream: 'stdout' | 'stderr';
  /** RFC 3339 with nine digits of a second, as the engine wrote it; empty if it gave none. */
  time: string;
  text: string;
  spans?: Span[];
  /** Whose line it is, where several logs are shown together. */
  source?: string;
  /** Bytes of the line that were not kept. */
  cut: number;
}

/** The engine keeps a longer line as several messages, and puts a time before each of them (moby's copier: `defaultBufSize`). */
const MESSAGE = 16 * 1024;
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) /;
const STAMP_INSIDE = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /g;
const LONGEST_STAMP = 36;
/** How far the engine's clock may be ahead of what is known of it, in milliseconds. */
const AHEAD = 10_000;
/** More of a line than this is counted and let go. */
const LONGEST_LINE = 16 * 1024 * 1024;

class Half {
  pieces: Uint8Array[] = [];
  length = 0;
  cut = 0;
  readonly ansi = new AnsiReader();
}

/** Puts the lines of `GET /containers/{id}/logs?timestamps=1` together from chunks that may begin and end anywhere. */
export class Records {
  readonly #frames: Frames | undefined;
  readonly #longest: number;
  readonly #stamped: boolean;
  readonly #halves = { stdout: new Half(), stderr: new Half() };

  /** `stamped`: lines begin with their times. Else a time there is a word of the program's own. */
  constructor({
    framed,
    stamped = true,
    longest = LONGEST_LINE,
  }: {
    framed: boolean;
    stamped?: boolean;
    longest?: number;
  }) {
    this.#stamped = stamped;
    this.#frames = framed ? new Frames() : undefined;
    this.#longest = longest;
  }

  push(chunk: Uint8Array): Entry[] {
    const entries: Entry[] = [];
    if (this.#frames === undefined) this.#add('stdout', chunk, entries);
    else {
      for (const piece of this.#frames.push(chunk)) {
        this.#add(piece.stream === 'stderr' ? 'stderr' : 'stdout', piece.bytes, entries);
      }
    }
    return entries;
  }

  /** What stood without an end of its line when the stream ended. */
  end(): Entry[] {
    const entries: Entry[] = [];
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#halves[stream].length > 0) this.#close(stream, entries);
    }
    return entries;
  }

  #add(stream: Entry['stream'], bytes: Uint8Array, into: Entry[]): void {
    let from = 0;
    for (;;) {
      const newline = bytes.indexOf(10, from);
      this.#keep(this.#halves[stream], bytes.subarray(from, newline < 0 ? undefined : newline));
      if (newline < 0) return;
      this.#close(stream, into);
      from = newline + 1;
    }
  }

  #keep(half: Half, bytes: Uint8Array): void {
    const room = Math.max(0, this.#longest - half.length);
    half.cut += Math.max(0, bytes.length - room);
    if (room === 0 || bytes.length === 0) return;
    half.pieces.push(bytes.subarray(0, room));
    half.length += Math.min(room, bytes.length);
  }

  #close(stream: Entry['stream'], into: Entry[]): void {
    const half = this.#halves[stream];
    const line = joined(half.pieces, half.length);
    const messages = this.#stamped ? separated(line) : [{ time: '', raw: decoder.decode(line) }];
    messages.forEach(({ time, raw }, index) => {
      const cut = index === messages.length - 1 ? half.cut : 0;
      into.push({ stream, time, ...half.ansi.line(raw), cut });
    });
    half.pieces = [];
    half.length = half.cut = 0;
  }
}

function joined(pieces: Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

const decoder = new TextDecoder();

function stampAt(line: Uint8Array, at: number): string {
  const head = String.fromCharCode(...line.subarray(at, at + LONGEST_STAMP));
  return STAMP.exec(head)?.[0] ?? '';
}

/** The time and text of a line; more than one where an end without a newline stands before the beginning of another run. */
function separated(line: Uint8Array): { time: string; raw: string }[] {
  const whole = decoder.decode(line.length > MESSAGE ? unstamped(line) : line);
  const stamp = STAMP.exec(whole)?.[0] ?? '';
  const time = stamp.trimEnd();
  const raw = whole.slice(stamp.length);
  if (stamp === '' || !raw.includes('Z ')) return [{ time, raw }];
  const found: { time: string; raw: string }[] = [];
  const latest = new Date(now() + AHEAD).toISOString();
  let last = time;
  let from = 0;
  for (const inside of raw.matchAll(STAMP_INSIDE)) {
    // A time that the program itself wrote is older than the message that carries it, or still to come; the next message's is neither.
    const next = inside[0].trimEnd();
    if (next < last || next > latest || (inside.index === 0 && from === 0)) continue;
    found.push({ time: last, raw: raw.slice(from, inside.index) });
    last = next;
    from = inside.index + inside[0].length;
  }
  found.push({ time: last, raw: raw.slice(from) });
  return found;
}

/** Without the times before the later messages of a long line. Before decoding, since a message may end within a character. */
function unstamped(line: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  // The first time stays, and does not count as text.
  const first = stampAt(line, 0).length;
  if (first === 0) return line;
  let length = 0;
  for (let from = 0; from < line.length;) {
    const part = line.subarray(from, from + MESSAGE + (from === 0 ? first : 0));
    parts.push(part);
    length += part.length;
    from += part.length;
    from += stampAt(line, from).length;
  }
  return joined(parts, length);
}
