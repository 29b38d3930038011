import * as system from '$lib/api/system';
import type { Backend } from '$lib/backend/backend';
import { words } from '$lib/kit/toasts.svelte';
import { sizesOf } from './rows';

/** How much is in volumes: the engine counts all files for it, so it is asked once and not with every change of a list. */
export class Sizes {
  found = $state.raw<ReadonlyMap<string, number>>(new Map());
  busy = $state(false);
  failure = $state<string | undefined>();
  readonly #backend: Backend;
  #control: AbortController | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async measure(): Promise<void> {
    this.#control?.abort();
    const { signal } = (this.#control = new AbortController());
    this.busy = true;
    this.failure = undefined;
    try {
      this.found = sizesOf((await system.df(this.#backend, { types: ['volume'], signal })).Volumes);
    } catch (error) {
      if (signal.aborted) return;
      this.failure = words(error);
    }
    this.busy = false;
  }

  stop(): void {
    this.#control?.abort();
  }
}
