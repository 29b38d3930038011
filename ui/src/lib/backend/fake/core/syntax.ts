/** What is wrong with a text that is no JSON, in the words of Go's `encoding/json`: the engine shows those to clients. */

export const END = 'unexpected end of JSON input';
/** What is said of a text that goes on behind its value ends so. */
export const AFTER_ALL = 'after top-level value';

export class Fault extends Error {
  override readonly name = 'Fault';
}

/** The value of a text; a `Fault` if it is none. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    new Scan(text).whole();
    throw error;
  }
}

const LITERALS = ['true', 'false', 'null'];
const ESCAPES: Record<string, string> = { "'": "\\'", '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

class Scan {
  /** A character for each byte: bytes are what Go reads and shows. */
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');
  }

  whole(): void {
    // What the value stands in, by what ends it. No recursion: how deep a text goes is the client's choice.
    const within: ('}' | ']')[] = [];
    do this.#begin(within);
    while (this.#goesOn(within));
    const more = this.#blank();
    if (more !== undefined) refuse(more, AFTER_ALL);
  }

  /** One value, whole but for lists and objects that are not empty: of those all up to their first value. */
  #begin(within: ('}' | ']')[]): void {
    for (;;) {
      const char = this.#wanted();
      if (char === '{') {
        const first = this.#wanted();
        if (first === '}') return;
        this.#key(first);
        within.push('}');
      } else if (char === '[') {
        if (this.#blank() !== ']') within.push(']');
        else {
          this.#at += 1;
          return;
        }
      } else return this.#scalar(char);
    }
  }

  /** Behind a whole value: whether another one follows in what it stands in. */
  #goesOn(within: ('}' | ']')[]): boolean {
    for (let end = within.at(-1); end !== undefined; end = within.at(-1)) {
      const char = this.#wanted();
      if (char === ',') {
        if (end === '}') this.#key(this.#wanted());
        return true;
      }
      if (char !== end) refuse(char, end === '}' ? 'after object key:value pair' : 'after array element');
      within.pop();
    }
    return false;
  }

  #key(first: string): void {
    if (first !== '"') refuse(first, 'looking for beginning of object key string');
    this.#string();
    const colon = this.#wanted();
    if (colon !== ':') refuse(colon, 'after object key');
  }

  #scalar(first: string): void {
    const literal = LITERALS.find((one) => one.startsWith(first));
    if (first === '"') this.#string();
    else if (/[-\d]/.test(first)) this.#number(first);
    else if (literal === undefined) refuse(first, 'looking for beginning of value');
    else for (const char of literal.slice(1)) this.#next(char, `in literal ${literal} (expecting '${char}')`);
  }

  #number(first: string): void {
    const digit = first === '-' ? this.#next(/\d/, 'in numeric literal') : first;
    if (digit !== '0') this.#skip(/\d*/y);
    if (this.#skip(/\./y)) {
      this.#next(/\d/, 'after decimal point in numeric literal');
      this.#skip(/\d*/y);
    }
    if (this.#skip(/[eE][+-]?/y)) {
      this.#next(/\d/, 'in exponent of numeric literal');
      this.#skip(/\d*/y);
    }
  }

  /** The rest of a string after its first quote. */
  #string(): void {
    for (let char = ''; char !== '"';) {
      char = this.#next(/[^\0-\x1f]/, 'in string literal');
      if (char === '\\' && this.#next(/[bfnrt\\/"u]/, 'in string escape code') === 'u') {
        for (let digit = 0; digit < 4; digit++) this.#next(/[\da-fA-F]/, 'in \\u hexadecimal character escape');
      }
    }
  }

  /** The next character, which has to be there and one of these. */
  #next(allowed: RegExp | string, place: string): string {
    const char = this.#text[this.#at];
    if (char === undefined) throw new Fault(END);
    if (typeof allowed === 'string' ? char !== allowed : !allowed.test(char)) refuse(char, place);
    this.#at += 1;
    return char;
  }

  /** The next character that is no white space, which has to be there. */
  #wanted(): string {
    const char = this.#blank();
    if (char === undefined) throw new Fault(END);
    this.#at += 1;
    return char;
  }

  /** Skips white space; what comes next. */
  #blank(): string | undefined {
    this.#skip(/[ \t\r\n]*/y);
    return this.#text[this.#at];
  }

  /** Whether what comes next was this, and is behind us now. */
  #skip(what: RegExp): boolean {
    what.lastIndex = this.#at;
    const found = what.test(this.#text);
    if (found) this.#at = what.lastIndex;
    return found;
  }
}

function refuse(char: string, place: string): never {
  const hidden = /[\0-\x1f\x7f]/.test(char) ? `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}` : char;
  throw new Fault(`invalid character '${ESCAPES[char] ?? hidden}' ${place}`);
}
