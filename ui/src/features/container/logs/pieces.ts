import { PLAIN, type Span, type Style } from './ansi';

/** A stretch of a line that is drawn in one way. */
export interface Stretch {
  text: string;
  style: Style;
  /** It matches what is searched for. */
  hit: boolean;
}

/** More of a line is not drawn: it can be looked at and copied apart. */
export const SHOWN = 5_000;

/** Further changes of style in a line are not drawn: a screen full of such lines would hold the page up. */
const MOST_STRETCHES = 500;

/** How much of `text` is drawn; never half a surrogate pair. */
export function shownLength(text: string): number {
  if (text.length <= SHOWN) return text.length;
  const code = text.charCodeAt(SHOWN - 1);
  return code >= 0xd800 && code <= 0xdbff ? SHOWN - 1 : SHOWN;
}

/** Cuts the first `length` of `text` where its style or its being a hit changes. */
export function stretches(
  text: string,
  length: number,
  spans: readonly Span[] = [],
  hits: readonly [number, number][] = [],
): Stretch[] {
  if (spans.length === 0 && hits.length === 0)
    return length === 0 ? [] : [{ text: text.slice(0, length), style: PLAIN, hit: false }];
  const pieces: Stretch[] = [];
  let span = 0;
  let hit = 0;
  for (let at = 0; at < length;) {
    while (span < spans.length && spans[span]!.end <= at) span++;
    while (hit < hits.length && hits[hit]![1] <= at) hit++;
    const inSpan = span < spans.length && spans[span]!.start <= at;
    const inHit = hit < hits.length && hits[hit]![0] <= at;
    const spanEdge = span < spans.length ? (inSpan ? spans[span]!.end : spans[span]!.start) : length;
    const hitEdge = hit < hits.length ? (inHit ? hits[hit]![1] : hits[hit]![0]) : length;
    const end = pieces.length >= MOST_STRETCHES ? length : Math.min(length, spanEdge, hitEdge);
    pieces.push({ text: text.slice(at, end), style: inSpan ? spans[span]!.style : PLAIN, hit: inHit });
    at = end;
  }
  return pieces;
}

// East Asian Wide and Fullwidth, and emoji, roughly as terminals count them: two cells.
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\ud83c-\ud83e\ud840-\ud87f][\udc00-\udfff]/g;
const ASCII = /^[\x20-\x7e]*$/;

/** The cells that `text` takes in a font of fixed width; `exact` unless fonts or tabs may take another view. */
export function cells(text: string): { count: number; exact: boolean } {
  if (ASCII.test(text)) return { count: text.length, exact: true };
  let count = text.length;
  for (const wide of text.matchAll(WIDE)) count += wide[0].length === 1 ? 1 : 0;
  for (let tab = text.indexOf('\t'); tab >= 0; tab = text.indexOf('\t', tab + 1)) count += 7;
  return { count, exact: false };
}
