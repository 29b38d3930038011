/** A difference below this is the delay of the answer and the header's whole seconds, not a clock that is wrong. */
const TOLERATED = 1500;

/** How far the engine's clock is ahead of this computer's, by a time that it gave between two moments here (milliseconds). */
export function skew(theirs: number, asked: number, answered: number): number {
  const difference = theirs - (asked + answered) / 2;
  return Math.abs(difference) < TOLERATED + (answered - asked) / 2 ? 0 : difference;
}

/** Milliseconds since the epoch of the engine's own spelling, RFC 3339 with nanoseconds; undefined if it is none. */
export function instant(text: string | undefined): number | undefined {
  const time = text === undefined ? NaN : Date.parse(text.replace(/(\.\d{3})\d+/, '$1'));
  return Number.isNaN(time) ? undefined : time;
}
