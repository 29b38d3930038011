const FIRST = 500;
const LAST = 8000;

/** Milliseconds to wait after so many failures in a row, the first being 0: half a second, doubled up to eight. */
export function backoff(failures: number): number {
  return Math.min(LAST, FIRST * 2 ** Math.min(failures, 16));
}

/** A connection that held this long was a good one: what fails after it is counted from the start. */
export const STEADY = LAST;
