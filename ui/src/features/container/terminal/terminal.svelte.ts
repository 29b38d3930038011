import { tick } from 'svelte';
import type { Backend } from '$lib/backend/backend';
import { cut } from '$lib/kit/commandLine';
import { copy } from '../logs/copy';
import type { Screen } from './screen';
import { Session, type Stage, type Way } from './session.svelte';

/** What a page says of a terminal while it shows it. */
export type Words = { label: string; describedBy: string };

/** The terminal of one container: what is asked for, the session, and the screen that it draws on. It needs no page to go on. */
export class ContainerTerminal {
  kind = $state<Way['kind']>('shell');
  command = $state('');
  user = $state('');
  session = $state.raw<Session>();
  loading = $state(false);
  /** Why the screen could not be opened. */
  failed = $state.raw<unknown>();

  readonly #backend: Backend;
  #screen: Screen | undefined;
  /** What the screen draws in: it is moved into a page and out of it as a whole. */
  #element: HTMLElement | undefined;
  #words: Words = { label: '', describedBy: '' };
  #leave: () => void = () => {};

  constructor(
    backend: Backend,
    /** The container's ID. */
    readonly container: string,
    /** What it is called, for people. */
    readonly name: string,
  ) {
    this.#backend = backend;
  }

  // Not derived values: those would be of the page that made it, and stand still when that is left.
  get stage(): Stage | undefined {
    return this.session?.stage;
  }

  /** Something runs in it, or is about to. */
  get live(): boolean {
    return this.stage?.at === 'opening' || this.stage?.at === 'open';
  }

  /** Nothing was asked for yet. */
  get isFresh(): boolean {
    return this.session === undefined && !this.loading && this.failed === undefined;
  }

  /** Puts the screen into `place` until the function that it gives is called. `leave` puts the focus outside of it. */
  show(place: HTMLElement, leave: () => void): () => void {
    const element = (this.#element ??= document.createElement('div'));
    this.#leave = leave;
    place.append(element);
    return () => {
      element.remove();
      this.#leave = () => {};
    };
  }

  /** What a screen reader is told. */
  tell(words: Words): void {
    this.#words = words;
    this.#screen?.tell(words);
  }

  focus(): void {
    this.#screen?.focus();
  }

  /** Opens what is asked for instead of what was open; to be called while it is shown. Does not reject: what failed is kept. */
  async open(): Promise<void> {
    const chosen = this.#way();
    if (chosen === undefined || this.loading) return;
    this.end();
    this.failed = undefined;
    try {
      const screen = (this.#screen ??= await this.#openScreen());
      if (screen === undefined) return;
      screen.clear();
      const opened = new Session(this.#backend, this.container, chosen, screen.size());
      this.session = opened;
      screen.focus();
      await opened.run((bytes) => (this.session === opened ? screen.write(bytes) : Promise.resolve()));
    } catch (error) {
      this.failed = error;
    }
  }

  /** Ends the session; what it wrote stays on the screen. */
  end(): void {
    this.session?.close();
    this.session = undefined;
  }

  /** Ends it for good. */
  close(): void {
    this.end();
    this.#screen?.close();
    this.#screen = undefined;
  }

  /** Undefined if the page was left while the chunk with the screen came. */
  async #openScreen(): Promise<Screen | undefined> {
    this.loading = true;
    try {
      const { open } = await import('./screen');
      this.loading = false;
      await tick();
      if (!this.#element?.isConnected) return undefined;
      return open(this.#element, {
        onInput: (bytes) => this.session?.send(bytes),
        onResize: (size) => this.session?.resize(size),
        onCopy: (text) => void copy(() => text),
        onLeave: () => this.#leave(),
        ...this.#words,
      });
    } finally {
      this.loading = false;
    }
  }

  #way(): Way | undefined {
    const as = this.user.trim() === '' ? {} : { user: this.user.trim() };
    if (this.kind === 'attach') return { kind: this.kind };
    if (this.kind === 'shell') return { kind: this.kind, ...as };
    const argv = cut(this.command).words;
    return argv.length === 0 ? undefined : { kind: this.kind, words: argv, ...as };
  }
}
