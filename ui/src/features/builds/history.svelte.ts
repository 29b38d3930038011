import { list, type Build } from '$lib/api/builds';
import { Refused } from '$lib/api/call';
import type { Backend } from '$lib/backend/backend';
import type { Live } from '$lib/live/live.svelte';
import { poll, type Poll } from '$lib/live/poll';

/** Between two looks, in milliseconds. The engine makes no events of builds. */
const WHILE_ONE_RUNS = 1000;
const ELSE = 4000;

/** The builds that the engine remembers, kept as they are there. */
export class History {
  list = $state.raw<Build[]>([]);
  /** False until the first answer. */
  loaded = $state(false);
  /** Why the last request failed; `list` is older then. */
  error = $state.raw<unknown>();
  /** The engine knows of no such history. */
  missing = $state(false);

  readonly #backend: Backend;
  readonly #live: Live;
  #poll: Poll | undefined;

  constructor(backend: Backend, live: Live) {
    this.#backend = backend;
    this.#live = live;
  }

  /** Follows until the function that it gives is called. */
  follow(): () => void {
    const asking = poll(
      (signal) => this.#ask(signal),
      () => this.#wait(),
    );
    this.#poll = asking;
    // The end of most builds is a new image; what is removed may be an image of one.
    const unlisten = this.#live.onEvent({ type: 'image' }, () => asking.now());
    return () => {
      unlisten();
      asking.stop();
    };
  }

  refresh(): void {
    this.#poll?.now();
  }

  #wait(): number | undefined {
    if (this.missing) return undefined;
    return this.list.some(({ Status }) => Status === 'running') ? WHILE_ONE_RUNS : ELSE;
  }

  async #ask(signal: AbortSignal): Promise<void> {
    try {
      this.list = await list(this.#backend, { signal });
      this.loaded = true;
      this.missing = false;
      this.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      this.missing = error instanceof Refused && error.status === 404;
      this.error = this.missing ? undefined : error;
    }
  }
}
