import { pieces } from '$lib/api/connection';
import * as containers from '$lib/api/containers';
import * as exec from '$lib/api/exec';
import { chunks } from '$lib/api/lines';
import type { Backend, Duplex } from '$lib/backend/backend';

export type Size = { rows: number; columns: number };

/** What is at the other end of the terminal. */
export type Way =
  | { kind: 'shell'; user?: string }
  | { kind: 'command'; words: string[]; user?: string }
  /** The container's own process. */
  | { kind: 'attach' };

export type Stage =
  | { at: 'opening' }
  | { at: 'open' }
  /** The command ended, or the container's process did (or was left) when attached: then the code may be unknown. */
  | { at: 'ended'; code?: number }
  | { at: 'failed'; error: unknown };

/** bash where there is one, else what is there. */
export const SHELL = ['sh', '-c', 'command -v bash >/dev/null 2>&1 && exec bash || exec sh'];

/** In the environment of what a terminal runs: tells it from all else in its container. */
const MARK = 'BERTH_TAB';

/**
 * Hangs up on the session of that mark, as a terminal does that is closed: its leader is told, and the kernel and the shell tell the others.
 * An engine leaves a command alone whose connection has gone, and has no request to end it.
 */
const HANG_UP = `for at in /proc/[0-9]*; do
  tr '\\0' '\\n' 2>/dev/null <$at/environ | grep -qx "$1" || continue
  read -r all <$at/stat && set -- "$1" \${all##*) } && [ "$5" = "\${at#/proc/}" ] && kill -HUP "$5"
done`;

/** A connection to a terminal in a container, from opening to its end. */
export class Session {
  stage = $state.raw<Stage>({ at: 'opening' });
  readonly #backend: Backend;
  readonly #container: string;
  readonly #way: Way;
  readonly #life = new AbortController();
  #duplex: Duplex | undefined;
  #exec: string | undefined;
  /** What was typed before there was a connection. */
  #typed: Uint8Array[] = [];
  /** Writes go one after the other, whatever their promises do. */
  #written: Promise<void> = Promise.resolve();
  #size: Size;
  #resizing = false;
  #told: Size;
  readonly #mark = `${MARK}=${crypto.randomUUID()}`;

  constructor(backend: Backend, container: string, way: Way, size: Size) {
    this.#backend = backend;
    this.#container = container;
    this.#way = way;
    this.#size = this.#told = size;
  }

  /** Opens it and hands what comes to `show`, which may take its time; resolves at the end. Does not reject: `stage` tells. */
  async run(show: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    try {
      const duplex = await this.#open();
      this.#duplex = duplex;
      if (this.#life.signal.aborted) duplex.close();
      else this.stage = { at: 'open' };
      for (const bytes of this.#typed.splice(0)) this.send(bytes);
      void this.#resize();
      for await (const { bytes } of chunks(pieces(duplex.output, duplex.framed))) await show(bytes);
      this.#duplex = undefined;
      this.stage = { at: 'ended', code: await this.#code() };
    } catch (error) {
      this.#duplex = undefined;
      if (!this.#life.signal.aborted) this.stage = { at: 'failed', error };
    }
    if (this.#life.signal.aborted) await this.#hangUp();
  }

  send(bytes: Uint8Array): void {
    const duplex = this.#duplex;
    if (duplex === undefined) {
      if (this.stage.at === 'opening') this.#typed.push(bytes);
      return;
    }
    // A connection that has ended says so through its output.
    this.#written = this.#written.then(() => duplex.write(bytes)).catch(() => undefined);
  }

  resize(size: Size): void {
    this.#size = size;
    if (this.stage.at === 'open') void this.#resize();
  }

  close(): void {
    this.#life.abort();
    this.#duplex?.close();
  }

  async #open(): Promise<Duplex> {
    const { signal } = this.#life;
    if (this.#way.kind === 'attach') return containers.attach(this.#backend, this.#container, { signal });
    const { Id } = await exec.create(this.#backend, this.#container, {
      Tty: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Cmd: this.#way.kind === 'shell' ? SHELL : this.#way.words,
      User: this.#way.user ?? '',
      Env: ['TERM=xterm-256color', 'COLORTERM=truecolor', this.#mark],
      ConsoleSize: [this.#size.rows, this.#size.columns],
    });
    this.#exec = Id;
    this.#told = this.#size;
    return exec.start(this.#backend, Id, { tty: true, size: this.#size, signal });
  }

  /** Tells the size of now; one request at a time, and what changed meanwhile after it. */
  async #resize(): Promise<void> {
    if (this.#resizing) return;
    this.#resizing = true;
    try {
      // Attached: the process does not know this terminal yet. A command was started with its size.
      let first = this.#exec === undefined;
      while (first || this.#told.rows !== this.#size.rows || this.#told.columns !== this.#size.columns) {
        first = false;
        const size = (this.#told = this.#size);
        if (this.#exec === undefined) await containers.resize(this.#backend, this.#container, size);
        else await exec.resize(this.#backend, this.#exec, size);
      }
    } catch {
      // It ended meanwhile, or has no terminal: what it writes is shown all the same.
    } finally {
      this.#resizing = false;
    }
  }

  /** What runs in a container without a shell, or without tr and grep, stays until it ends. */
  async #hangUp(): Promise<void> {
    if (this.#exec === undefined || this.#way.kind === 'attach') return;
    try {
      const command = ['sh', '-c', HANG_UP, 'sh', this.#mark];
      await exec.run(this.#backend, this.#container, command, { User: this.#way.user ?? '' });
    } catch {
      // The container has stopped, and all in it; or the engine is gone.
    }
  }

  async #code(): Promise<number | undefined> {
    try {
      if (this.#exec !== undefined) return (await exec.inspect(this.#backend, this.#exec)).ExitCode ?? undefined;
      const { State } = await containers.inspect(this.#backend, this.#container);
      return State.Running ? undefined : State.ExitCode;
    } catch {
      // Removed with its container: its code is not known to anybody.
      return undefined;
    }
  }
}
