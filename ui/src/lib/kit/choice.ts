import type { Line } from './table';

/** What is chosen of a table's rows, by their keys: pure, so that each press gives the next choice. */
export class Choice<T> {
  constructor(
    readonly lines: readonly Line<T>[],
    readonly key: (row: T) => string,
    readonly selected: ReadonlySet<string>,
  ) {}

  keysOf(line: Line<T>): string[] {
    return line.kind === 'row' ? [line.key] : line.rows.map(this.key);
  }

  /** How many of them are chosen. */
  of(keys: readonly string[]): number {
    return keys.reduce((n, one) => n + (this.selected.has(one) ? 1 : 0), 0);
  }

  with(keys: readonly string[], on: boolean): Set<string> {
    const next = new Set(this.selected);
    for (const one of keys) {
      if (on) next.add(one);
      else next.delete(one);
    }
    return next;
  }

  /** With one line turned, a group as a whole; or with all rows from `from`, the key of the line that was turned last. */
  picked(line: Line<T>, from?: string): { selected: Set<string>; anchor?: string } {
    const begin = from === undefined ? -1 : this.lines.findIndex((other) => other.key === from);
    if (begin >= 0) {
      const at = this.lines.indexOf(line);
      const between = this.lines.slice(Math.min(begin, at), Math.max(begin, at) + 1);
      return {
        selected: this.with(
          between.flatMap((one) => (one.kind === 'row' ? [one.key] : [])),
          true,
        ),
      };
    }
    const keys = this.keysOf(line);
    return { selected: this.with(keys, this.of(keys) < keys.length), anchor: line.key };
  }
}
