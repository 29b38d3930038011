import type { Clock } from '../core/clock';
import type { Random } from '../core/random';
import type { Tree } from '../files/tree';
import { Input } from './input';
import { Terminal } from './terminal';

export type Program = (process: Process) => void;
export type Stream = 'stdout' | 'stderr';

export const SIGKILL = 9;
export const SIGTERM = 15;
/** Signals that do nothing to a process that has no handler for them: CHLD, CONT, URG, WINCH. */
const IGNORED = [17, 18, 23, 28];

export interface Setting {
  args: string[];
  env: Record<string, string>;
  cwd: string;
  user: string;
  hostname: string;
  files: Tree;
  tty: boolean;
  size?: [rows: number, columns: number];
  /** A container's own process: signals without a handler do nothing to it, but SIGKILL. */
  first: boolean;
  clock: Clock;
  random: Random;
  /** Where its output goes. */
  write: (stream: Stream, bytes: Uint8Array) => void;
  ended: (code: number) => void;
}

/** A program that runs in a simulated container: output, input, signals, time, an end. */
export class Process {
  readonly setting: Setting;
  readonly input = new Input();
  readonly terminal: Terminal | undefined;
  cwd: string;
  exitCode: number | undefined;
  #traps = new Map<number, () => void>();
  #timers = new Set<() => void>();
  /** While it is frozen: what was due meanwhile. */
  #due: (() => void)[] | undefined;

  constructor(setting: Setting) {
    this.setting = setting;
    this.cwd = setting.cwd;
    if (setting.tty) {
      this.terminal = new Terminal(
        this.input,
        (bytes) => setting.write('stdout', bytes),
        (signal) => this.signal(signal, true),
      );
      if (setting.size) this.terminal.size = setting.size;
    }
  }

  get ended(): boolean {
    return this.exitCode !== undefined;
  }

  /** Bytes from whoever is attached. */
  type(bytes: Uint8Array): void {
    if (this.terminal) this.terminal.type(bytes);
    else this.input.push(bytes);
  }

  out(text: string | Uint8Array): void {
    this.#write('stdout', text);
  }

  err(text: string): void {
    this.#write('stderr', text);
  }

  #write(stream: Stream, text: string | Uint8Array): void {
    if (this.ended) return;
    // A terminal has one output, and goes to the beginning of the line only when told.
    if (this.terminal && typeof text === 'string') this.setting.write('stdout', encode(text.replace(/\r?\n/g, '\r\n')));
    else this.setting.write(this.terminal ? 'stdout' : stream, typeof text === 'string' ? encode(text) : text);
  }

  /** Runs `job` after `ms`, unless the process has ended by then. */
  after(ms: number, job: () => void): () => void {
    const stop = this.setting.clock.after(ms, () => {
      this.#timers.delete(stop);
      if (this.#due) this.#due.push(job);
      else job();
    });
    this.#timers.add(stop);
    return () => {
      this.#timers.delete(stop);
      stop();
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => void this.after(ms, wake));
  }

  /** Has `handler` run instead of what the signal does by itself. */
  trap(signal: number, handler: () => void): () => void {
    const before = this.#traps.get(signal);
    this.#traps.set(signal, handler);
    return () => {
      if (before) this.#traps.set(signal, before);
      else this.#traps.delete(signal);
    };
  }

  signal(signal: number, fromTerminal = false): void {
    if (this.ended) return;
    if (signal === SIGKILL) return this.exit(128 + SIGKILL);
    const handler = this.#traps.get(signal);
    if (handler) handler();
    else if (!IGNORED.includes(signal) && (!this.setting.first || fromTerminal)) this.exit(128 + signal);
  }

  freeze(): void {
    this.#due ??= [];
  }

  thaw(): void {
    const due = this.#due ?? [];
    this.#due = undefined;
    for (const job of due) if (!this.ended) job();
  }

  exit(code: number): void {
    if (this.ended) return;
    this.exitCode = code & 0xff;
    for (const stop of this.#timers) stop();
    this.#timers.clear();
    this.input.end();
    this.setting.ended(this.exitCode);
  }
}

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Calls `tell` with the number of each turn, `every` so many milliseconds, until the process ends. */
export function repeat(process: Process, every: () => number, tell: (turn: number) => void): void {
  const turn = (number: number) => {
    tell(number);
    process.after(every(), () => turn(number + 1));
  };
  process.after(every(), () => turn(0));
}
