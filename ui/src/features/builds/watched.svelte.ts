import { inspect, type BuildInspect } from '$lib/api/builds';
import { Refused } from '$lib/api/call';
import type { Backend } from '$lib/backend/backend';
import { poll, type Poll } from '$lib/live/poll';

/** Between two looks, in milliseconds: at one that runs; one that is over can only be removed. */
const RUNNING = 1000;
const OVER = 10_000;

/** One build as the engine has it. What was known last stays when the engine is away. */
export class WatchedBuild {
  build = $state.raw<BuildInspect>();
  /** Why it is not in the history; in the engine's words. */
  gone = $state.raw<Refused>();
  /** Why it could not be asked for last. */
  error = $state.raw<unknown>();

  readonly #backend: Backend;
  #poll: Poll | undefined;

  constructor(
    backend: Backend,
    readonly ref: string,
  ) {
    this.#backend = backend;
  }

  /** Follows until the function that it gives is called. */
  follow(): () => void {
    const asking = poll(
      (signal) => this.#ask(signal),
      () => (this.gone ? undefined : this.build?.Status === 'running' ? RUNNING : OVER),
    );
    this.#poll = asking;
    return asking.stop;
  }

  refresh(): void {
    this.#poll?.now();
  }

  async #ask(signal: AbortSignal): Promise<void> {
    try {
      this.build = await inspect(this.#backend, this.ref, { signal });
      this.gone = undefined;
      this.error = undefined;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && error.status === 404) this.gone = error;
      else this.error = error;
    }
  }
}
