import { Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import type { ContainerInspect, EventMessage } from '$lib/api/generated';
import type { Backend } from '$lib/backend/backend';
import { concerns, fits } from '$lib/live/concern';
import { Gate } from '$lib/live/gate';
import type { Live } from '$lib/live/live.svelte';

/**
 * One container as the engine has it. What was known last stays when the container is gone or the engine away.
 */
export class Watched {
  inspect = $state.raw<ContainerInspect>();
  /** It was there, or the address says so, and is not any more. */
  gone = $state(false);
  /** Why it could not be asked for last. */
  error = $state.raw<unknown>();

  readonly #backend: Backend;
  readonly #live: Live;
  readonly #gate: Gate;
  readonly #life = new AbortController();

  constructor(
    backend: Backend,
    live: Live,
    /** Its ID, or whatever else the engine knows it by. */
    readonly asked: string,
  ) {
    this.#backend = backend;
    this.#live = live;
    this.#gate = new Gate(() => this.#ask());
  }

  get id(): string {
    return this.inspect?.Id ?? this.asked;
  }

  /** Follows it until the returned function is called; within an effect, since it follows the connection too. */
  start(): () => void {
    const unlisten = this.#live.onEvent({}, (event) => this.#saw(event));
    return () => {
      unlisten();
      this.#gate.stop();
      this.#life.abort();
    };
  }

  refresh(): void {
    this.#gate.askNow();
  }

  #saw(event: EventMessage): void {
    if (this.gone || !fits(event, { id: this.id })) return;
    if (event.Type === 'container' && event.Action === 'destroy') this.gone = true;
    else if (event.Type !== 'container' || concerns(event).length > 0) this.#gate.ask();
  }

  async #ask(): Promise<void> {
    if (this.gone) return;
    try {
      // By the ID as soon as it is known: a name may come to mean another container.
      this.inspect = await containers.inspect(this.#backend, this.id, { signal: this.#life.signal });
      this.error = undefined;
    } catch (error) {
      if (this.#life.signal.aborted) return;
      if (error instanceof Refused && error.status === 404) this.gone = true;
      else this.error = error;
    }
  }
}
