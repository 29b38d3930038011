/**
 * Translations of whole sentences that others say in English, the daemon and the engine: whole, or with blanks `%{name}` that stand for any
 * text. The command line's catalogue (`app/cli/locales`), matched as `app/catalogue` does: both are held to one table of cases.
 */

export type Pair = [english: string, translation: string];

/** The `msgid` and `msgstr` lines of a catalogue. */
export function pairs(text: string): Pair[] {
  const all: Pair[] = [];
  let id: string | undefined;
  for (const line of text.split('\n')) {
    const [, word, quoted] = /^(msgid|msgstr)\s*"(.*)"\s*$/.exec(line) ?? [];
    if (word === 'msgid') id = quoted;
    else if (word === 'msgstr' && id !== undefined) {
      all.push([id, quoted!]);
      id = undefined;
    }
  }
  return all;
}

/** The sentences of one language. */
export class Catalogue {
  readonly #whole: Map<string, string>;
  /** The longest first, since the more a pattern says the better it fits. */
  readonly #patterns: Pair[];

  constructor(pairs: Pair[]) {
    this.#whole = new Map(pairs.filter(([id]) => !id.includes('%{')));
    const length = ([id]: Pair) => new TextEncoder().encode(id).length;
    this.#patterns = pairs.filter(([id]) => id.includes('%{')).sort((one, other) => length(other) - length(one));
  }

  /** The translation of a text whose blanks were filled already; itself when there is none. */
  translate(text: string): string {
    const translation = this.#whole.get(text);
    if (translation !== undefined) return translation;
    for (const [pattern, translation] of this.#patterns) {
      const values = fit(pattern, text);
      if (values === undefined) continue;
      // What fills a blank may be a sentence itself: a cause, or a way out. A word alone is the name of something.
      const translated = (value: string) => (value.includes(' ') ? this.translate(value) : value);
      return values.reduce(
        (said, [name, value]) => said.replaceAll(`%{${name}}`, () => translated(value)),
        translation,
      );
    }
    return text;
  }
}

/** What the blanks of `pattern` stand for in `text`; undefined when it does not fit. A blank takes as little as it can. */
function fit(pattern: string, text: string): [name: string, value: string][] | undefined {
  const blank = pattern.indexOf('%{');
  if (blank < 0) return pattern === text ? [] : undefined;
  if (!text.startsWith(pattern.slice(0, blank))) return undefined;
  text = text.slice(blank);
  const end = pattern.indexOf('}', blank);
  if (end < 0) return undefined;
  const [name, rest] = [pattern.slice(blank + 2, end), pattern.slice(end + 1)];
  const next = rest.split('%{', 1)[0]!;
  // Two blanks side by side cannot be told apart; the last takes all.
  if (next === '') return rest === '' ? [[name, text]] : undefined;
  for (let at = text.indexOf(next); at >= 0; at = text.indexOf(next, at + next.length)) {
    const values = fit(rest, text.slice(at));
    if (values) return [[name, text.slice(0, at)], ...values];
  }
  return undefined;
}
