/**
 * Colours and weights of a terminal's output as data: text apart, styles as spans over it. Nothing here becomes markup. What else a
 * terminal would do (titles, links, cursor movements) is dropped; a carriage return writes over the line, as progress bars mean it.
 */
export type Colour = number | string;

/** A colour is an index into the theme's sixteen, or `#rrggbb`. */
export interface Style {
  readonly fg?: Colour;
  readonly bg?: Colour;
  readonly bold?: true;
  readonly dim?: true;
  readonly italic?: true;
  readonly underline?: true;
  readonly inverse?: true;
  readonly hidden?: true;
  readonly strike?: true;
}

/** `style` holds from `start` up to `end` of the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly style: Style;
}

export interface Styled {
  text: string;
  /** In order, without overlap; absent for a line of plain text. */
  spans?: Span[];
}

interface Run {
  text: string;
  style: Style;
}

export const PLAIN: Style = Object.freeze({});

// ECMA-48: control sequences, strings (title, link, device control) up to their terminator or the end, two-character escapes.
const ESCAPE =
  /\x1b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|[ -/]*[0-~]|$)|\x9b([0-?]*)[ -/]*([@-~])/g;
const SPECIAL = /[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/;
/** Carriage returns, backspaces, and what is between them. */
const PARTS = /[\r\b]|[^\r\b]+/g;
const REMOVED = /[\x00-\x07\x0b-\x0c\x0e-\x1f\x7f-\x9f]/g;

/** Reads line after line of one stream: a style that was not reset holds on in the next line. */
export class AnsiReader {
  #style: Style = PLAIN;

  line(raw: string): Styled {
    if (!SPECIAL.test(raw)) {
      if (this.#style === PLAIN || raw === '') return { text: raw };
      return { text: raw, spans: [{ start: 0, end: raw.length, style: this.#style }] };
    }
    const line = new Line();
    const write = (piece: string) => {
      for (const [part] of piece.matchAll(PARTS)) {
        if (part === '\r') line.home();
        else if (part === '\b') line.back();
        else {
          const text = part.replace(REMOVED, '');
          if (text !== '') line.write(text, this.#style);
        }
      }
    };
    let from = 0;
    for (const found of raw.matchAll(ESCAPE)) {
      write(raw.slice(from, found.index));
      from = found.index + found[0].length;
      const final = found[2] ?? found[4];
      const parameters = found[1] ?? found[3] ?? '';
      if (final === 'm') this.#style = restyled(this.#style, parameters);
      // Erase: to the end of the line, or (1, 2) what is before it, which in a log means starting over.
      else if (final === 'K') line.erase(parameters === '1' || parameters === '2');
    }
    write(raw.slice(from));
    return gathered(line.runs());
  }
}

/**
 * A line as it is written: at its end by runs; once something is written over what stands there, by single characters, so that each step
 * takes the time of what it writes and no line can hold the page up.
 */
class Line {
  #runs: Run[] = [];
  #cells: { text: string; style: Style }[] | undefined;
  /** Where the next character goes, in cells. */
  #at = 0;
  /** A carriage return came behind runs. It mostly ends a DOS line, and nothing is written over them. */
  #returned = false;

  write(text: string, style: Style): void {
    if (this.#returned) this.#apart(0);
    if (this.#cells === undefined) this.#runs.push({ text, style });
    // A character of two code units is one cell.
    else for (const one of text) this.#cells[this.#at++] = { text: one, style };
  }

  home(): void {
    this.#at = 0;
    this.#returned = this.#cells === undefined && this.#runs.length > 0;
  }

  back(): void {
    if (this.#returned) return;
    if (this.#cells === undefined) this.#apart();
    if (this.#at > 0) this.#at -= 1;
  }

  erase(all: boolean): void {
    if (all || this.#returned) {
      this.#runs = [];
      this.#cells = undefined;
      this.#at = 0;
      this.#returned = false;
    } else if (this.#cells) this.#cells.length = this.#at;
  }

  runs(): Run[] {
    if (this.#cells === undefined) return this.#runs;
    const runs: Run[] = [];
    for (const { text, style } of this.#cells) {
      const last = runs.at(-1);
      if (last !== undefined && last.style === style) last.text += text;
      else runs.push({ text, style });
    }
    return runs;
  }

  #apart(at?: number): void {
    this.#cells = this.#runs.flatMap(({ text, style }) => Array.from(text, (text) => ({ text, style })));
    this.#runs = [];
    this.#at = at ?? this.#cells.length;
    this.#returned = false;
  }
}

function gathered(runs: Run[]): Styled {
  const spans: Span[] = [];
  let at = 0;
  for (const { text, style } of runs) {
    const last = spans.at(-1);
    if (style !== PLAIN) {
      if (last !== undefined && last.end === at && last.style === style) {
        spans[spans.length - 1] = { ...last, end: at + text.length };
      } else spans.push({ start: at, end: at + text.length, style });
    }
    at += text.length;
  }
  const text = runs.length === 1 ? runs[0]!.text : runs.map((run) => run.text).join('');
  return spans.length === 0 ? { text } : { text, spans };
}

/** `style` after `ESC [ parameters m`. Colons part a colour's own numbers, semicolons all numbers (ISO 8613-6, and what xterm takes). */
export function restyled(style: Style, parameters: string): Style {
  const codes = parameters
    .split(';')
    .map((part) => part.split(':').map((number) => (number === '' ? 0 : Number(number))));
  let now: { -readonly [K in keyof Style]: Style[K] } = { ...style };
  for (let at = 0; at < codes.length; at++) {
    const [code = 0, ...sub] = codes[at]!;
    if (code === 0) now = {};
    else if (code === 1) now.bold = true;
    else if (code === 2) now.dim = true;
    else if (code === 3) now.italic = true;
    else if (code === 4 || code === 21) {
      if (sub[0] === 0) delete now.underline;
      else now.underline = true;
    } else if (code === 7) now.inverse = true;
    else if (code === 8) now.hidden = true;
    else if (code === 9) now.strike = true;
    else if (code === 22) {
      delete now.bold;
      delete now.dim;
    } else if (code === 23) delete now.italic;
    else if (code === 24) delete now.underline;
    else if (code === 27) delete now.inverse;
    else if (code === 28) delete now.hidden;
    else if (code === 29) delete now.strike;
    else if (code >= 30 && code <= 37) now.fg = code - 30;
    else if (code >= 40 && code <= 47) now.bg = code - 40;
    else if (code >= 90 && code <= 97) now.fg = code - 90 + 8;
    else if (code >= 100 && code <= 107) now.bg = code - 100 + 8;
    else if (code === 39) delete now.fg;
    else if (code === 49) delete now.bg;
    else if (code === 38 || code === 48) {
      const { colour, used } = extended(sub.length > 0 ? sub : codes.slice(at + 1).map((c) => c[0]!), sub.length > 0);
      if (sub.length === 0) at += used;
      if (colour !== undefined) now[code === 38 ? 'fg' : 'bg'] = colour;
    }
  }
  return Object.keys(now).length === 0 ? PLAIN : Object.freeze(now);
}

/** The colour behind 38 or 48: `5;n` or `2;r;g;b`; with colons a colour space may stand before the red. */
function extended(numbers: number[], colons: boolean): { colour?: Colour; used: number } {
  if (numbers[0] === 5) return { colour: indexed(numbers[1] ?? 0), used: 2 };
  if (numbers[0] !== 2) return { used: 1 };
  const from = colons && numbers.length >= 5 ? 2 : 1;
  const [red = 0, green = 0, blue = 0] = numbers.slice(from, from + 3);
  return { colour: hex(red, green, blue), used: 4 };
}

/** xterm's palette: sixteen of the theme, a cube of 6 x 6 x 6, 24 greys. */
function indexed(index: number): Colour | undefined {
  if (!(index >= 0 && index <= 255)) return undefined;
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return hex(grey, grey, grey);
  }
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  const cube = index - 16;
  return hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

function hex(...parts: number[]): string {
  return '#' + parts.map((part) => Math.min(255, part).toString(16).padStart(2, '0')).join('');
}
