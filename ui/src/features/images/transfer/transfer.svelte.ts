import type { JsonMessage } from '$lib/api/generated';
import { words } from '$lib/kit/toasts.svelte';
import { Tally, type Progress } from './progress';

export type State = 'running' | 'done' | 'failed' | 'stopped';
export type Work = (signal: AbortSignal) => AsyncIterable<JsonMessage>;

/** How often a page needs to hear of progress. An engine may say more in a second than can be drawn. */
const PACE = 50;

/** One pull, push, load: its progress, how it ended, and a way to end it early or begin it again. */
export class Transfer {
  state = $state<State>('running');
  progress = $state.raw<Progress>(new Tally().now());
  /** Why it failed, in the engine's words. What was said until then stays in `progress`. */
  failure = $state<string | undefined>();

  readonly #work: Work;
  #control = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(work: Work) {
    this.#work = work;
  }

  /** Begins, or begins again; resolves with how it ended. */
  async run(): Promise<State> {
    const control = (this.#control = new AbortController());
    const tally = new Tally();
    this.state = 'running';
    this.failure = undefined;
    this.progress = tally.now();
    let ended: State = 'done';
    let failure: string | undefined;
    try {
      for await (const message of this.#work(control.signal)) {
        tally.add(message);
        this.#soon(tally);
      }
      // The words of a failure may come as a line, too.
      failure = tally.now().failure;
      if (failure !== undefined) ended = 'failed';
    } catch (error) {
      ended = control.signal.aborted ? 'stopped' : 'failed';
      failure = control.signal.aborted ? undefined : words(error);
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.progress = tally.now();
    this.failure = failure;
    this.state = ended;
    return ended;
  }

  /** Ends the request; the engine ends its work with it. */
  stop(): void {
    this.#control.abort();
  }

  #soon(tally: Tally): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.progress = tally.now();
    }, PACE);
  }
}
