/**
 * What pull, push, load and import say while they work, put together: a state for each layer, one bar for all, and the lines that are about
 * no layer. The words and their order are dockerd's, which our engine keeps (`vm-agent/images`).
 */
import type { JsonMessage } from '$lib/api/generated';

export type Phase =
  | 'waiting'
  | 'downloading'
  | 'verifying'
  | 'downloaded'
  | 'extracting'
  | 'pushing'
  | 'loading'
  | 'retrying'
  | 'exists'
  | 'mounted'
  | 'done'
  | 'other';

export interface Layer {
  readonly id: string;
  readonly phase: Phase;
  /** The engine's own words. */
  readonly words: string;
  /** Bytes of the phase. */
  readonly current: number;
  /** Bytes of the layer as it travels; 0 while unknown. */
  readonly total: number;
  /** How much of the layer's work is done, from 0 to 1. */
  readonly share: number;
}

export interface Progress {
  readonly layers: readonly Layer[];
  /** Lines about no layer, oldest first. */
  readonly words: readonly string[];
  /** From 0 to 1; `undefined` while nothing can be said. */
  readonly share: number | undefined;
  /** Bytes that have travelled, and in all as far as known. */
  readonly current: number;
  readonly total: number;
  /** Why it ended early, in the engine's words. */
  readonly failure: string | undefined;
}

/** Fetching takes most of the time, unpacking the rest. */
const DOWNLOAD = 0.8;
/** An engine that talks without end must not fill the memory of the page. */
const MOST_WORDS = 200;

const PHASES: readonly [start: string, phase: Phase][] = [
  ['Pulling fs layer', 'waiting'],
  ['Waiting', 'waiting'],
  ['Preparing', 'waiting'],
  ['Downloading', 'downloading'],
  ['Verifying Checksum', 'verifying'],
  ['Download complete', 'downloaded'],
  ['Extracting', 'extracting'],
  ['Pull complete', 'done'],
  ['Already exists', 'exists'],
  ['Pushing', 'pushing'],
  ['Pushed', 'done'],
  ['Layer already exists', 'exists'],
  ['Mounted from', 'mounted'],
  ['Loading layer', 'loading'],
  ['Retrying in', 'retrying'],
];

const OVER: ReadonlySet<Phase> = new Set(['done', 'exists', 'mounted']);

/** Takes the lines one by one. */
export class Tally {
  readonly #layers = new Map<string, Layer>();
  #words: string[] = [];
  #counting = false;
  #share: number | undefined;
  #failure: string | undefined;

  add(message: JsonMessage): void {
    const failure = message.error ?? message.errorDetail?.message;
    if (failure !== undefined) this.#failure = failure;
    else if (message.stream !== undefined) for (const line of message.stream.split('\n')) this.#say(line, false);
    else if (message.status !== undefined) this.#status(message, message.status);
  }

  #status(message: JsonMessage, status: string): void {
    const { id, progressDetail } = message;
    if (id === undefined || id === '') return this.#say(status, progressDetail !== undefined);
    const phase = PHASES.find(([start]) => status.startsWith(start))?.[1];
    // `latest: Pulling from library/nginx` is about a tag.
    if (phase === undefined && progressDetail === undefined) return this.#say(`${id}: ${status}`, false);
    const before = this.#layers.get(id);
    // A pull of all tags meets a layer again: it has it by then.
    if (before !== undefined && OVER.has(before.phase)) return;
    this.#layers.set(id, layer(before, id, phase ?? 'other', status, progressDetail?.current, progressDetail?.total));
  }

  /** A line that counts takes the place of the one before it. */
  #say(line: string, counting: boolean): void {
    if (line.trim() === '') return;
    if (counting && this.#counting) this.#words.pop();
    this.#counting = counting;
    this.#words.push(line);
    if (this.#words.length > MOST_WORDS) this.#words.splice(0, this.#words.length - MOST_WORDS);
  }

  /** The state of now. The bar never goes back, though layers whose size was not known turn out to be big. */
  now(): Progress {
    const layers = [...this.#layers.values()];
    const share = together(layers);
    if (share !== undefined) this.#share = Math.max(this.#share ?? 0, share);
    const counted = layers.filter((layer) => layer.total > 0);
    return {
      layers,
      words: [...this.#words],
      share: this.#share,
      current: sum(counted, travelled),
      total: sum(counted, (layer) => layer.total),
      failure: this.#failure,
    };
  }
}

function layer(before: Layer | undefined, id: string, phase: Phase, words: string, current = 0, size = 0): Layer {
  const total = phase === 'extracting' && before !== undefined ? before.total || size : size || (before?.total ?? 0);
  const part = size > 0 ? Math.min(1, current / size) : 0;
  return { id, phase, words, current, total, share: shareOf(phase, part, before?.share ?? 0) };
}

function shareOf(phase: Phase, part: number, before: number): number {
  switch (phase) {
    case 'downloading':
      return DOWNLOAD * part;
    case 'verifying':
    case 'downloaded':
      return DOWNLOAD;
    case 'extracting':
      return DOWNLOAD + (1 - DOWNLOAD) * part;
    case 'pushing':
    case 'loading':
      return part;
    case 'done':
    case 'exists':
    case 'mounted':
      return 1;
    case 'waiting':
    case 'retrying':
    case 'other':
      return before;
  }
}

/** Layers count by their size; those of unknown size as much as the others do on average. What was there already counts nothing. */
function together(layers: readonly Layer[]): number | undefined {
  if (layers.length === 0) return undefined;
  const coming = layers.filter((layer) => layer.phase !== 'exists' && layer.phase !== 'mounted');
  if (coming.length === 0) return 1;
  const known = coming.filter((layer) => layer.total > 0);
  const average = known.length === 0 ? 1 : sum(known, (layer) => layer.total) / known.length;
  const weight = (layer: Layer) => layer.total || average;
  return sum(coming, (layer) => weight(layer) * layer.share) / sum(coming, weight);
}

/** What of a layer has come over the network. */
function travelled(layer: Layer): number {
  switch (layer.phase) {
    case 'downloading':
    case 'pushing':
    case 'loading':
      return Math.min(layer.current, layer.total);
    case 'waiting':
    case 'retrying':
    case 'other':
      return 0;
    default:
      return layer.total;
  }
}

function sum<T>(of: readonly T[], number: (one: T) => number): number {
  return of.reduce((total, one) => total + number(one), 0);
}
