import type { LogBuffer } from './buffer';

export interface Asked {
  text: string;
  expression: boolean;
  /** Upper and lower case differ. */
  exact: boolean;
}

export interface Matcher {
  test(text: string): boolean;
  /** Where it matches, at most `limit` times; never empty ranges. */
  ranges(text: string, limit?: number): [start: number, end: number][];
}

/** An expression sees this much of a line: on megabytes of one line a careless one would hold the page up. */
const SEEN = 100_000;

/** What looks for `asked`; the error's words if it is no regular expression, nothing if nothing is asked. */
export function matcher(asked: Asked): Matcher | { error: string } | undefined {
  if (asked.text === '') return undefined;
  const flags = asked.exact ? 'gu' : 'giu';
  const source = asked.expression ? asked.text : asked.text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  let pattern: RegExp;
  try {
    pattern = new RegExp(source, flags);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
  const part = (text: string) => (asked.expression && text.length > SEEN ? text.slice(0, SEEN) : text);
  const ranges: Matcher['ranges'] = (text, limit = 1000) => {
    const found: [number, number][] = [];
    for (const one of part(text).matchAll(pattern)) {
      if (one[0] === '') continue;
      found.push([one.index, one.index + one[0].length]);
      if (found.length >= limit) break;
    }
    return found;
  };
  return {
    ranges,
    test(text) {
      pattern.lastIndex = 0;
      const found = pattern.exec(part(text));
      // What matches nothing at all (`a*`) counts only where it matches something.
      return found !== null && (found[0] !== '' || ranges(text, 1).length > 0);
    },
  };
}

/** The lines of a buffer that match, looked for a little at a time while more lines come. */
export class Finder {
  #ids: number[] = [];
  #skipped = 0;
  #next: number;

  constructor(
    readonly buffer: LogBuffer,
    readonly matcher: Matcher,
  ) {
    this.#next = buffer.first;
  }

  /** Looks on until `until` says that the time is up; true when all lines have been looked at. */
  look(until: () => boolean): boolean {
    const { buffer } = this;
    this.#next = Math.max(this.#next, buffer.first);
    for (let looked = 0; this.#next < buffer.end; this.#next++, looked++) {
      if (looked % 64 === 63 && until()) break;
      if (this.matcher.test(buffer.at(this.#next)!.text)) this.#ids.push(this.#next);
    }
    while (this.#skipped < this.#ids.length && this.#ids[this.#skipped]! < buffer.first) this.#skipped++;
    if (this.#skipped > 1024 && this.#skipped > this.#ids.length / 2) {
      this.#ids = this.#ids.slice(this.#skipped);
      this.#skipped = 0;
    }
    return this.#next >= buffer.end;
  }

  get count(): number {
    return this.#ids.length - this.#skipped;
  }

  /** Which match, counted from 1, the line `id` is; 0 if none. */
  ordinal(id: number): number {
    const at = this.#lower(id);
    return this.#ids[at] === id ? at - this.#skipped + 1 : 0;
  }

  /** The nearest match after or before the line `id`; from the other end when there is none. */
  from(id: number, direction: 'next' | 'previous'): number | undefined {
    if (this.count === 0) return undefined;
    if (direction === 'next') {
      const at = this.#lower(id + 1);
      return this.#ids[at < this.#ids.length ? at : this.#skipped];
    }
    const at = this.#lower(id) - 1;
    return this.#ids[at >= this.#skipped ? at : this.#ids.length - 1];
  }

  #lower(id: number): number {
    let low = this.#skipped;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
