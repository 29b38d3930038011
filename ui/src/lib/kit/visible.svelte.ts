/** Rows drawn beyond the seen ones, so that a quick scroll meets rows and no blank. */
const MARGIN = 8;
/** What is taken to be seen before anything has been laid out. */
const GUESS = 900;

/**
 * Which rows of a long list are seen. The list stands in one element as high as all its rows; what scrolls may be the list's own box or
 * anything around it.
 */
export class Visible {
  first = $state(0);
  end = $state(0);
  #count: () => number;
  #height: number;

  /** `height`: pixels of a row, until rows have been laid out and can be measured. */
  constructor(count: () => number, height: number) {
    this.#count = count;
    this.#height = height;
    this.#set(0, GUESS);
  }

  /** Follows `body` within its `box` from when it is in the page. */
  watch(box: HTMLElement, body: HTMLElement): () => void {
    const look = () => {
      const list = body.getBoundingClientRect();
      const frame = box.getBoundingClientRect();
      const top = Math.max(frame.top, 0);
      const bottom = Math.min(frame.bottom, innerHeight);
      // Not laid out at all (hidden, or no browser that does): the guess stands.
      if (frame.height === 0) {
        this.#set(0, GUESS);
        return;
      }
      if (list.height > 0) this.#height = list.height / this.#count();
      this.#set(top - list.top, bottom - list.top);
    };
    look();
    // Scrolling of anything around moves the list in the window; such events do not bubble, but are caught on their way down.
    const scrolled = (event: Event) => {
      if (event.target instanceof Node && event.target.contains(box)) look();
    };
    document.addEventListener('scroll', scrolled, { capture: true, passive: true });
    const sizes = typeof ResizeObserver === 'undefined' ? undefined : new ResizeObserver(look);
    sizes?.observe(box);
    sizes?.observe(body);
    window.addEventListener('resize', look);
    return () => {
      document.removeEventListener('scroll', scrolled, { capture: true });
      sizes?.disconnect();
      window.removeEventListener('resize', look);
    };
  }

  #set(top: number, bottom: number): void {
    this.first = Math.max(0, Math.floor(top / this.#height) - MARGIN);
    this.end = Math.max(this.first, Math.ceil(bottom / this.#height) + MARGIN);
  }

  /** The places of the rows to draw, of as many as there are now. */
  range(): [first: number, end: number] {
    const count = this.#count();
    const end = Math.min(this.end, count);
    return [Math.min(this.first, end), end];
  }
}

/** Pixels of `rem`: the person may have made everything larger. */
export function pixels(rem: number): number {
  return rem * (Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16);
}
