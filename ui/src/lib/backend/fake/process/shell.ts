import { joined } from '../files/tar';
import { PathError } from '../files/tree';
import { COMMANDS } from './commands';
import { Input } from './input';
import { type Process, encode } from './process';
import { type Command, SyntaxProblem, parse } from './words';

/** What one command works with. */
export interface Job {
  process: Process;
  shell: Shell;
  args: string[];
  input: Input;
  out: (text: string | Uint8Array) => void;
  err: (text: string) => void;
}

const NOT_FOUND = 127;
const SIGNALS: Record<string, number> = { HUP: 1, INT: 2, QUIT: 3, KILL: 9, USR1: 10, USR2: 12, TERM: 15 };

/** The little shell of simulated containers: enough to look around, and to be what a container runs. */
export class Shell {
  readonly process: Process;
  readonly variables: Record<string, string>;
  status = 0;
  /** Set by `exit`. */
  leaving: number | undefined;

  constructor(process: Process) {
    this.process = process;
    this.variables = { ...process.setting.env };
  }

  /** Lines from a terminal, or from an input that somebody writes to, until its end or `exit`. */
  async interact(): Promise<number> {
    const { process } = this;
    process.trap(2, () => undefined);
    while (this.leaving === undefined) {
      const prompt = this.#prompt();
      if (process.terminal) {
        process.terminal.prompt = prompt;
        process.out(prompt);
        process.trap(2, () => process.out(prompt));
      }
      const line = await process.input.line();
      if (line === undefined) break;
      await this.run(line);
    }
    return this.leaving ?? this.status;
  }

  #prompt(): string {
    const { user } = this.process.setting;
    return `${this.process.cwd} ${user === 'root' ? '#' : '$'} `;
  }

  /** Runs a text; its status is that of its last command. */
  async run(text: string): Promise<number> {
    const loop = /^\s*while\s+(.+?);\s*do\s+(.+?);?\s*done\s*(?:;(.*))?$/s.exec(text);
    if (loop) return this.#loop(loop[1]!, loop[2]!, loop[3]);
    let commands: Command[];
    try {
      commands = parse(text, (name) => this.#value(name));
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      this.process.err(`sh: ${error.message}\n`);
      return (this.status = 2);
    }
    let piped: Uint8Array[] | undefined;
    for (const command of commands) {
      if (this.leaving !== undefined || this.process.ended) break;
      if (piped === undefined && command.after === 'success' && this.status !== 0) continue;
      if (piped === undefined && command.after === 'failure' && this.status === 0) continue;
      piped = await this.#command(command, piped);
    }
    return this.status;
  }

  async #loop(condition: string, body: string, rest: string | undefined): Promise<number> {
    while ((await this.run(condition)) === 0 && this.leaving === undefined && !this.process.ended) {
      await this.run(body);
      // A loop that never waits must not stop the page that simulates it.
      await this.process.sleep(1);
    }
    return rest === undefined ? this.status : this.run(rest);
  }

  #value(name: string): string {
    if (name === '?') return String(this.status);
    if (name === '$') return '1';
    return this.variables[name] ?? '';
  }

  /** Runs one command; answers its output if that is another one's input. */
  async #command(command: Command, piped: Uint8Array[] | undefined): Promise<Uint8Array[] | undefined> {
    const { process } = this;
    const output: Uint8Array[] = [];
    const caught = command.piped || command.to !== undefined;
    const input = piped === undefined ? process.input : new Input();
    for (const piece of piped ?? []) input.push(piece);
    if (piped !== undefined) input.end();
    const out = (text: string | Uint8Array) => {
      if (command.toErrors) process.err(typeof text === 'string' ? text : new TextDecoder().decode(text));
      else if (caught) output.push(typeof text === 'string' ? encode(text) : text);
      else process.out(text);
    };
    this.status = await this.#words(command.words, input, out);
    if (command.to !== undefined) this.#redirect(command.to, output);
    return command.piped ? output : undefined;
  }

  async #words(words: string[], input: Input, out: Job['out']): Promise<number> {
    const assignments = words.findIndex((word) => !/^[A-Za-z_]\w*=/.test(word));
    for (const word of assignments < 0 ? words : words.slice(0, assignments)) {
      const at = word.indexOf('=');
      this.variables[word.slice(0, at)] = word.slice(at + 1);
    }
    const [name, ...args] = assignments < 0 ? [] : words.slice(assignments);
    if (name === undefined) return 0;
    const err = (text: string) => this.process.err(text);
    return interruptible(this.process, async () =>
      this.invoke({ process: this.process, shell: this, args, input, out, err }, name),
    );
  }

  async invoke(job: Job, name: string): Promise<number> {
    const base = name.split('/').at(-1)!;
    const command = Object.hasOwn(COMMANDS, base) ? COMMANDS[base] : undefined;
    if (command === undefined || (name.includes('/') && !job.process.setting.files.has(absolute(job.process, name)))) {
      job.err(`sh: ${name}: not found\n`);
      return NOT_FOUND;
    }
    try {
      return await command(job);
    } catch (error) {
      if (!(error instanceof PathError)) throw error;
      job.err(`${name}: ${error.message}\n`);
      return 1;
    }
  }

  /** `trap 'commands' TERM` */
  trap(text: string, name: string): void {
    const signal = SIGNALS[name.replace(/^SIG/, '')] ?? Number(name);
    this.process.trap(signal, () => {
      void this.run(text).then(() => {
        if (this.leaving !== undefined) this.process.exit(this.leaving);
      });
    });
  }

  #redirect({ path, append }: { path: string; append: boolean }, output: Uint8Array[]): void {
    const { files, clock } = this.process.setting;
    const at = absolute(this.process, path);
    if (at === '/dev/null') return;
    try {
      const before = append && files.has(at) ? [files.read(at)] : [];
      files.write(at, joined([...before, ...output]), { time: clock.now() });
    } catch (error) {
      if (!(error instanceof PathError)) throw error;
      this.process.err(`sh: can't create ${path}: ${error.message}\n`);
      this.status = 1;
    }
  }
}

export function absolute(process: Process, path: string): string {
  return path.startsWith('/') ? path : `${process.cwd}/${path}`;
}

/** Runs a command in the foreground: Ctrl-C ends it, not the shell. */
async function interruptible(process: Process, job: () => Promise<number>): Promise<number> {
  if (!process.terminal) return job();
  let untrap = () => {};
  const interrupted = new Promise<number>((resolve) => (untrap = process.trap(2, () => resolve(130))));
  try {
    return await Promise.race([job(), interrupted]);
  } finally {
    untrap();
  }
}
