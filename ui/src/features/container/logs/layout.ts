import type { LogBuffer, LogLine } from './buffer';
import { cells, shownLength } from './pieces';
import { Rows } from './rows';

/** The measures that a layout depends on: cells of a row, or undefined where lines are not wrapped. */
export type Columns = number | undefined;

/** Taller than this no browser lets an element be (Firefox: 17.9 million); above it, the scroll bar stands for more than pixels. */
const TALLEST = 8_000_000;

/** Where the lines of a buffer are on the screen, kept up with the buffer as it changes. */
export class Layout {
  readonly rows: Rows;
  #columns: Columns;
  #widest = 0;

  constructor(readonly buffer: LogBuffer) {
    this.rows = new Rows(buffer.capacity);
    this.rows.restart(buffer.first);
  }

  /** Cells of the widest line so far. */
  get widest(): number {
    return this.#widest;
  }

  /** Takes in what changed; returns how many rows went at the top. */
  catchUp(columns: Columns): number {
    const { rows, buffer } = this;
    if (columns !== this.#columns || buffer.first > rows.end) {
      this.#columns = columns;
      rows.restart(buffer.first);
      this.#widest = 0;
    }
    const gone = rows.dropTo(buffer.first);
    for (let id = rows.end; id < buffer.end; id++) rows.append(this.#height(buffer.at(id)!));
    return gone;
  }

  #height(line: LogLine): number {
    if (line.cells === undefined) {
      const { count, exact } = cells(line.text.slice(0, shownLength(line.text)));
      line.cells = count;
      line.exact = exact;
    }
    this.#widest = Math.max(this.#widest, line.cells);
    if (this.#columns === undefined) return 1;
    return Math.max(1, Math.ceil(line.cells / this.#columns)) + (isShortened(line) ? 1 : 0);
  }
}

/** True of a line of which not all is drawn. */
export function isShortened(line: LogLine): boolean {
  return line.cut > 0 || shownLength(line.text) < line.text.length;
}

/** From positions of the scroll bar to positions in the log, and back. */
export class Scale {
  readonly height: number;
  readonly #ratio: number;

  constructor(
    readonly total: number,
    viewport: number,
  ) {
    this.height = Math.min(total, TALLEST);
    this.#ratio = this.height > viewport && total > this.height ? (total - viewport) / (this.height - viewport) : 1;
  }

  toLog(position: number): number {
    return position * this.#ratio;
  }

  toBar(position: number): number {
    return position / this.#ratio;
  }
}
