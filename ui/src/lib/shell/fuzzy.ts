export type Match = {
  /** The higher the better. */
  score: number;
  /** What of the text was meant: pairs of begin and end, in order, not touching. */
  ranges: [number, number][];
};

const START = 40;
const WORD = 20;
const RUN = 8;
const LETTER = 4;

/**
 * How well `text` is meant by `query`: every word of it must be in there, as it is or by its letters in order (`wdb` for `web-db`).
 * Undefined if one is not. `beside` is what else belongs to the text: words may be in there as they are, for less.
 */
export function match(query: string, text: string, beside = ''): Match | undefined {
  const lower = lowered(text);
  const other = lowered(beside);
  let score = 0;
  const hits = new Set<number>();
  for (const word of lowered(query).split(/\s+/)) {
    if (word === '') continue;
    const found = whole(word, lower, text) ?? (other.includes(word) ? BESIDE : scattered(word, lower, text));
    if (found === undefined) return undefined;
    score += found.score;
    for (const at of found.at) hits.add(at);
  }
  // Of two that are meant as much the shorter one is meant more.
  return { score: score - text.length / 100, ranges: ranges([...hits].sort((a, b) => a - b)) };
}

// Some letters change their length with their case; then positions would not be those of the text.
function lowered(text: string): string {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text;
}

type Found = { score: number; at: number[] };

const BESIDE: Found = { score: START, at: [] };

/** The word as it is, best at the start of the text or of a word in it. */
function whole(word: string, lower: string, text: string): Found | undefined {
  let best: Found | undefined;
  for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, at + 1)) {
    const place = at === 0 ? START : begins(text, at) ? WORD : 0;
    const score = 2 * START + place + word.length * (RUN + LETTER);
    if (best === undefined || score > best.score) best = { score, at: span(at, at + word.length) };
    if (place === START) break;
  }
  return best;
}

/** Its letters in order; each is looked for at the start of a word first. */
function scattered(word: string, lower: string, text: string): Found | undefined {
  const at: number[] = [];
  let score = 0;
  let from = 0;
  for (let index = 0; index < word.length; index += 1) {
    const next = lower.indexOf(word[index]!, from);
    if (next < 0) return undefined;
    let chosen = next;
    const adjoins = index > 0 && next === from;
    if (!adjoins && !begins(text, next)) {
      // A later start of a word is meant rather than a letter in the midst of one, if the rest is still to be found behind it.
      for (
        let later = lower.indexOf(word[index]!, next + 1);
        later >= 0;
        later = lower.indexOf(word[index]!, later + 1)
      ) {
        if (begins(text, later) && subsequence(word.slice(index + 1), lower, later + 1)) {
          chosen = later;
          break;
        }
      }
    }
    if (index > 0 && chosen === from) score += RUN;
    if (chosen === 0) score += START / 2;
    else if (begins(text, chosen)) score += WORD / 2;
    score += LETTER;
    at.push(chosen);
    from = chosen + 1;
  }
  return { score, at };
}

function subsequence(word: string, lower: string, from: number): boolean {
  for (const letter of word) {
    const at = lower.indexOf(letter, from);
    if (at < 0) return false;
    from = at + 1;
  }
  return true;
}

/** True where a word begins: after what is no letter or digit, or at a capital within. */
function begins(text: string, at: number): boolean {
  if (at === 0) return true;
  const [before, here] = [text[at - 1]!, text[at]!];
  if (!/[\p{L}\p{N}]/u.test(here)) return false;
  return !/[\p{L}\p{N}]/u.test(before) || (/\p{Ll}/u.test(before) && /\p{Lu}/u.test(here));
}

function span(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function ranges(at: number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const position of at) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === position) last[1] += 1;
    else found.push([position, position + 1]);
  }
  return found;
}

/** The text in pieces, those that were meant marked. */
export function marked(text: string, of: [number, number][]): { text: string; hit: boolean }[] {
  const parts: { text: string; hit: boolean }[] = [];
  let at = 0;
  for (const [from, to] of of) {
    if (from > at) parts.push({ text: text.slice(at, from), hit: false });
    parts.push({ text: text.slice(from, to), hit: true });
    at = to;
  }
  if (at < text.length) parts.push({ text: text.slice(at), hit: false });
  return parts;
}
