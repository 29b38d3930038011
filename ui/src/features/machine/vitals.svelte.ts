import { status } from '$lib/api/daemon';
import type { DaemonStatus } from '$lib/api/generated/daemon';
import type { Backend } from '$lib/backend/backend';
import { poll } from '$lib/live/poll';

/** Between two looks, in milliseconds: the daemon asks the guest each time. */
const EVERY = 3000;

/** What the daemon knows beyond the machine's state, the guest's own figures among it: asked for again and again while it is followed. */
export class Vitals {
  status = $state.raw<DaemonStatus | undefined>();
  error = $state.raw<unknown>();
  readonly #daemon: Backend;

  constructor(daemon: Backend) {
    this.#daemon = daemon;
  }

  /** Asks until the function that it gives is called; not while the page is out of sight. */
  follow(): () => void {
    return poll(
      async (signal) => {
        try {
          this.status = await status(this.#daemon, { signal });
          this.error = undefined;
        } catch (error) {
          if (!signal.aborted) this.error = error;
        }
      },
      () => EVERY,
    ).stop;
  }
}
