import { flushSync } from 'svelte';
import type { LogBuffer, LogLine } from './buffer';
import type { Finding } from './finding.svelte';
import { Layout, Scale } from './layout';

/** What a pane shows: some lines, `top` pixels below the upper edge of something as high as `height`. */
export type View = { lines: LogLine[]; top: number; height: number; dropped: number; empty: boolean };

/** Lines drawn above and below what can be seen. */
const MARGIN = 10;

/** The part of a log that is drawn: the lines around those that can be seen, at the end of the log as long as it is followed. */
export class Drawn {
  view = $state.raw<View>({ lines: [], top: 0, height: 0, dropped: 0, empty: true });
  following = $state(true);
  /** Pixels. */
  row = $state(18);
  /** Cells of the widest line. */
  widest = $state(0);

  readonly #finding: Finding;
  /** Whether lines are wrapped, and how many cells stand before the text of each. */
  readonly #shape: () => { wrap: boolean; prefix: number };
  #layout: Layout;
  #viewport: HTMLElement | undefined;
  #probe: HTMLElement | undefined;
  #cell = 7;
  // Kept, since to ask for them makes the browser lay out in the middle of a frame.
  #wide = 0;
  #high = 0;
  #lastTop = 0;
  #frame: number | undefined;

  constructor(buffer: LogBuffer, finding: Finding, shape: () => { wrap: boolean; prefix: number }) {
    this.#layout = new Layout(buffer);
    this.#finding = finding;
    this.#shape = shape;
  }

  /** Draws into `viewport` until the function that it gives is called; `probe` is a hundred cells in one row. */
  watch(viewport: HTMLElement, probe: HTMLElement): () => void {
    this.#viewport = viewport;
    this.#probe = probe;
    this.#measure();
    const sized = new ResizeObserver(() => {
      this.#measure();
      this.schedule();
    });
    sized.observe(viewport);
    sized.observe(probe);
    document.addEventListener('selectionchange', this.#selecting);
    this.schedule();
    return () => {
      sized.disconnect();
      document.removeEventListener('selectionchange', this.#selecting);
      if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
      this.#viewport = undefined;
    };
  }

  /** Shows another buffer, or goes on with this one; until the function that it gives is called. */
  listen(buffer: LogBuffer): () => void {
    if (this.#layout.buffer !== buffer) this.#layout = new Layout(buffer);
    this.schedule();
    return buffer.listen(() => this.schedule());
  }

  schedule(): void {
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  /** Brings a line into the middle. */
  show(id: number): void {
    const viewport = this.#viewport;
    if (!viewport) return;
    this.following = false;
    const scale = new Scale(this.#layout.rows.total * this.row, this.#high);
    viewport.scrollTop = scale.toBar(this.#layout.rows.above(id) * this.row - this.#high / 2 + this.row);
    this.#lastTop = viewport.scrollTop;
    this.schedule();
  }

  /** To what is found next, or was found before. */
  step(direction: 'next' | 'previous'): void {
    const { lines } = this.view;
    const id = this.#finding.step(direction, lines[0]?.id ?? 0, lines.at(-1)?.id ?? 0);
    if (id !== undefined) this.show(id);
  }

  toEnd = (): void => {
    this.following = true;
    this.schedule();
  };

  scrolled = (): void => {
    // The last turn of a page that was left comes when it is gone.
    if (!this.#viewport) return;
    const { scrollTop, clientHeight, scrollHeight } = this.#viewport;
    if (scrollTop < this.#lastTop - 1) this.following = false;
    else if (scrollTop + clientHeight >= scrollHeight - this.row / 2) this.following = true;
    this.#lastTop = scrollTop;
    this.schedule();
  };

  /** A turn of the wheel moves little by little: its first pixels must not be taken back by the next lines. */
  wheeled = (event: WheelEvent): void => {
    if (event.deltaY < 0 && this.#viewport && this.#viewport.scrollTop > 0) this.following = false;
  };

  /** Text that is being selected must not run away. */
  #selecting = (): void => {
    const selection = document.getSelection();
    if (selection === null || selection.isCollapsed || !this.#viewport?.contains(selection.anchorNode)) return;
    this.following = false;
  };

  #measure(): void {
    this.#wide = this.#viewport!.clientWidth;
    this.#high = this.#viewport!.clientHeight;
    const box = this.#probe!.getBoundingClientRect();
    this.#cell = box.width / 100;
    this.row = Math.max(1, Math.round(box.height));
  }

  #draw(): void {
    this.#frame = undefined;
    if (!this.#viewport) return;
    const { wrap, prefix } = this.#shape();
    const columns = wrap ? Math.max(10, Math.floor(this.#wide / this.#cell - prefix + 0.01)) : undefined;
    const gone = this.#layout.catchUp(columns) * this.row;
    this.#finding.look();
    let scale = this.#place(gone);
    if (columns !== undefined && this.#remeasure()) scale = this.#place(0);
    if (this.following) this.#viewport.scrollTop = scale.height;
    this.#lastTop = this.#viewport.scrollTop;
    if (!this.#finding.found.done) this.schedule();
  }

  /** Draws the lines that can be seen; `gone` pixels of lines went above them. */
  #place(gone: number): Scale {
    const { rows, buffer } = this.#layout;
    const row = this.row;
    const scale = new Scale(rows.total * row, this.#high);
    if (!this.following && gone > 0) this.#viewport!.scrollTop -= scale.toBar(gone);
    const bar = this.following ? Math.max(0, scale.height - this.#high) : this.#viewport!.scrollTop;
    const top = scale.toLog(bar);
    const from = Math.max(rows.first, rows.lineAt(Math.floor(top / row)) - MARGIN);
    const to = Math.min(rows.end, rows.lineAt(Math.ceil((top + this.#high) / row)) + 1 + MARGIN);
    const lines: LogLine[] = [];
    for (let id = from; id < to; id++) {
      const line = buffer.at(id);
      if (line !== undefined) lines.push(line);
    }
    flushSync(() => {
      this.widest = this.#layout.widest;
      this.view = {
        lines,
        top: bar + rows.above(from) * row - top,
        height: scale.height,
        dropped: buffer.dropped,
        empty: buffer.length === 0,
      };
    });
    return scale;
  }

  /** Corrects what was guessed of lines with other than plain signs; true if it changed anything. */
  #remeasure(): boolean {
    let changed = false;
    for (const line of this.view.lines) {
      if (line.exact) continue;
      const height = this.#viewport!.querySelector<HTMLElement>(`[data-id="${line.id}"]`)?.offsetHeight ?? this.row;
      const rows = Math.max(1, Math.round(height / this.row));
      if (rows === this.#layout.rows.at(line.id)) continue;
      this.#layout.rows.set(line.id, rows);
      changed = true;
    }
    return changed;
  }
}
