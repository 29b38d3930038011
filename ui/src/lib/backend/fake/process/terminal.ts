import type { Input } from './input';

const INTERRUPT = '\x03';
const END = '\x04';
const CLEAR = '\x0c';
const ERASE_LINE = '\x15';
const QUIT = '\x1c';

/**
 * A terminal between a person and a program: shows what is typed, lets it be corrected (backspace, Ctrl-U, arrows for earlier lines),
 * and hands it on a line at a time; Ctrl-C and Ctrl-\ are signals, Ctrl-D is the end of the input.
 */
export class Terminal {
  size: [rows: number, columns: number] = [24, 80];
  /** What stands before the line that is being typed, to be written again when it is redrawn. */
  prompt = '';
  #line = '';
  #earlier: string[] = [];
  #shown = 0;
  #escape = '';
  #decoder = new TextDecoder();

  constructor(
    private readonly input: Input,
    private readonly write: (bytes: Uint8Array) => void,
    private readonly signal: (signal: number) => void,
  ) {}

  type(bytes: Uint8Array): void {
    for (const key of this.#decoder.decode(bytes, { stream: true })) this.#key(key);
  }

  #key(key: string): void {
    if (this.#escape !== '' || key === '\x1b') {
      this.#sequence(key);
      return;
    }
    switch (key) {
      case '\r':
      case '\n':
        return this.#enter();
      case '\x7f':
      case '\b':
        if (this.#line !== '') this.#erase(1);
        return;
      case INTERRUPT:
        this.#line = '';
        this.#show('^C\r\n');
        return this.signal(2);
      case QUIT:
        this.#show('^\\\r\n');
        return this.signal(3);
      case END:
        if (this.#line === '') this.input.end();
        return;
      case ERASE_LINE:
        return this.#erase([...this.#line].length);
      case CLEAR:
        return this.#show(`\x1b[H\x1b[2J${this.prompt}${this.#line}`);
      default:
        if (key < ' ') return;
        this.#line += key;
        this.#show(key);
    }
  }

  #sequence(key: string): void {
    this.#escape += key;
    if (this.#escape === '\x1b' || this.#escape === '\x1b[' || this.#escape === '\x1bO') return;
    if (this.#escape.startsWith('\x1b[') && !/[@-~]$/.test(key)) return;
    const sequence = this.#escape;
    this.#escape = '';
    if (/^\x1b[[O]A$/.test(sequence)) this.#recall(-1);
    if (/^\x1b[[O]B$/.test(sequence)) this.#recall(1);
  }

  #recall(by: number): void {
    this.#shown = Math.min(Math.max(this.#shown + by, 0), this.#earlier.length);
    this.#erase([...this.#line].length);
    this.#line = this.#earlier[this.#shown] ?? '';
    this.#show(this.#line);
  }

  #enter(): void {
    if (this.#line.trim() !== '') this.#earlier.push(this.#line);
    this.#shown = this.#earlier.length;
    this.#show('\r\n');
    this.input.push(new TextEncoder().encode(`${this.#line}\n`));
    this.#line = '';
  }

  #erase(count: number): void {
    const keys = [...this.#line];
    this.#line = keys.slice(0, keys.length - count).join('');
    this.#show('\b \b'.repeat(count));
  }

  #show(text: string): void {
    this.write(new TextEncoder().encode(text));
  }
}
