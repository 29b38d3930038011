import type { Entry } from './records';

/** A line that is kept; `id` counts all lines that ever came. */
export interface LogLine extends Entry {
  readonly id: number;
  /** What a pane found of its width, kept so that it is found once: cells of the part that is drawn, and whether they are sure. */
  cells?: number;
  exact?: boolean;
}

/** How much a pane keeps: what a person can look through, and what a page may take of memory (a character is two bytes at most). */
const LINES = 100_000;
const CHARACTERS = 64 * 1024 * 1024;

/** The newest lines of a log. Adding is cheap and draws nothing: listeners look when they next draw. */
export class LogBuffer {
  readonly capacity: number;
  readonly #characters: number;
  readonly #ring: (LogLine | undefined)[];
  #first = 0;
  #end = 0;
  #held = 0;
  #dropped = 0;
  readonly #listeners = new Set<() => void>();

  constructor({ lines = LINES, characters = CHARACTERS } = {}) {
    this.capacity = lines;
    this.#characters = characters;
    this.#ring = new Array<LogLine | undefined>(lines);
  }

  /** The id of the oldest line kept. */
  get first(): number {
    return this.#first;
  }

  /** The id that the next line will have. */
  get end(): number {
    return this.#end;
  }

  get length(): number {
    return this.#end - this.#first;
  }

  /** How many lines were let go to keep within the bounds (not: those cleared). */
  get dropped(): number {
    return this.#dropped;
  }

  at(id: number): LogLine | undefined {
    return id >= this.#first && id < this.#end ? this.#ring[id % this.capacity] : undefined;
  }

  push(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    for (const entry of entries) {
      if (this.length === this.capacity) this.#drop();
      this.#ring[this.#end % this.capacity] = Object.assign(entry, { id: this.#end });
      this.#end++;
      this.#held += entry.text.length;
      // The newest is kept however long it is: records.ts bounds a single line.
      while (this.#held > this.#characters && this.length > 1) this.#drop();
    }
    for (const listener of this.#listeners) listener();
  }

  clear(): void {
    while (this.length > 0) this.#forget();
    this.#dropped = 0;
    for (const listener of this.#listeners) listener();
  }

  *lines(): Generator<LogLine> {
    for (let id = this.#first; id < this.#end; id++) yield this.#ring[id % this.capacity]!;
  }

  /** Calls `listener` after each change, until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #drop(): void {
    this.#forget();
    this.#dropped++;
  }

  #forget(): void {
    const at = this.#first % this.capacity;
    this.#held -= this.#ring[at]!.text.length;
    this.#ring[at] = undefined;
    this.#first++;
  }
}
