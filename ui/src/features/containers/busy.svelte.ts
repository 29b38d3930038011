import { SvelteMap } from 'svelte/reactivity';
import type { Verb } from './rows';

/**
 * What is being done to containers. A row is busy from the click until a list that was asked for after the engine's answer shows what
 * came of it: in between, neither the old state nor a guessed new one would be true.
 */
export class Busy {
  readonly #doing = new SvelteMap<string, { verb: Verb; shown?: unknown }>();

  /** What is done to `id`, given the list that is shown. */
  verb(id: string, shown: unknown): Verb | undefined {
    const doing = this.#doing.get(id);
    if (doing === undefined) return undefined;
    return doing.shown === undefined || doing.shown === shown ? doing.verb : undefined;
  }

  begin(id: string, verb: Verb): void {
    this.#doing.set(id, { verb });
  }

  /** The engine has done it; `shown` is the list of this moment, which does not know it yet. */
  succeeded(id: string, shown: unknown): void {
    const doing = this.#doing.get(id);
    if (doing !== undefined) this.#doing.set(id, { ...doing, shown });
  }

  failed(id: string): void {
    this.#doing.delete(id);
  }

  /** Forgets what no list shows any more. */
  sweep(shown: unknown): void {
    for (const [id, doing] of this.#doing) {
      if (doing.shown !== undefined && doing.shown !== shown) this.#doing.delete(id);
    }
  }
}

/** One for the whole window: what was begun on one page is still going on when another is opened. */
export const busy = new Busy();
