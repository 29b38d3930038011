import type { LogBuffer } from './buffer';
import { Finder, type Matcher } from './search';

/** How long a frame may look for matches, in milliseconds. */
const SEARCH_TIME = 5;

/** A search in a log, a little in each frame, and the match that a person is at. */
export class Finding {
  matcher = $state.raw<Matcher>();
  /** The line of the match that is shown. */
  current = $state<number>();
  found = $state({ count: 0, at: 0, done: true });
  #finder: Finder | undefined;

  /** Looks on for the time of a frame. */
  look(): void {
    const finder = this.#finder;
    if (finder === undefined) return;
    const end = performance.now() + SEARCH_TIME;
    const done = finder.look(() => performance.now() > end);
    this.found = { count: finder.count, at: this.current === undefined ? 0 : finder.ordinal(this.current), done };
  }

  /** Searches for something else; false for nothing. */
  begin(buffer: LogBuffer, matcher: Matcher | undefined): boolean {
    this.matcher = matcher;
    this.#finder = matcher && new Finder(buffer, matcher);
    this.current = undefined;
    this.found = { count: 0, at: 0, done: true };
    this.look();
    return matcher !== undefined;
  }

  /** The next match from the current one, or else from `first` and `last`, the lines in sight. */
  step(direction: 'next' | 'previous', first: number, last: number): number | undefined {
    const finder = this.#finder;
    if (finder === undefined) return undefined;
    finder.look(() => false);
    const from = this.current ?? (direction === 'next' ? first - 1 : last + 1);
    const id = finder.from(from, direction);
    if (id !== undefined) this.current = id;
    return id;
  }
}
