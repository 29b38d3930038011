/** Chance that is the same for the same seed (mulberry32), so that scenes and tests repeat themselves. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.between(0, list.length - 1)]!;
  }

  /** `length` hexadecimal digits; not all decimal, which as a host name would be taken for a number. */
  hex(length: number): string {
    for (;;) {
      let text = '';
      while (text.length < length) text += this.between(0, 15).toString(16);
      if (/[a-f]/.test(text)) return text;
    }
  }

  digest(): string {
    return `sha256:${this.hex(64)}`;
  }
}
