import { LogBuffer, type LogLine } from '$features/container/logs/buffer';
import type { Entry } from '$features/container/logs/records';

/** The lines of several sources, and those of them that the person wants to see. */
export class ShownLog {
  /** What is drawn. */
  buffer = $state.raw(new LogBuffer());
  hidden = $state.raw<ReadonlySet<string>>(new Set());

  readonly #all = this.buffer;
  #unlisten = () => {};

  push(entries: readonly Entry[]): void {
    this.#all.push(entries);
    if (this.buffer !== this.#all) this.buffer.push(this.#copies(entries));
  }

  /** Shows all sources but `hidden`. */
  hide(hidden: ReadonlySet<string>): void {
    this.hidden = hidden;
    this.#unlisten();
    if (hidden.size === 0) {
      this.buffer = this.#all;
      return;
    }
    const buffer = new LogBuffer();
    buffer.push(this.#copies(this.#all.lines()));
    // What the person cleared is gone, whichever sources are shown next.
    this.#unlisten = buffer.listen(() => {
      if (buffer.length === 0) this.#all.clear();
    });
    this.buffer = buffer;
  }

  // A line knows its place in its buffer: two buffers cannot share one.
  #copies(lines: Iterable<Entry | LogLine>): Entry[] {
    const copies: Entry[] = [];
    for (const line of lines) if (!this.hidden.has(line.source ?? '')) copies.push({ ...line });
    return copies;
  }
}
