import { status } from '$lib/api/daemon';
import type { DaemonStatus } from '$lib/api/generated/daemon';
import type { Backend } from '$lib/backend/backend';

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
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      clearTimeout(timer);
      timer = undefined;
      try {
        this.status = await status(this.#daemon, { signal: stop.signal });
        this.error = undefined;
      } catch (error) {
        if (stop.signal.aborted) return;
        this.error = error;
      }
      if (!stop.signal.aborted && !document.hidden) timer = setTimeout(look, EVERY);
    };
    const seen = () => {
      if (document.hidden) {
        clearTimeout(timer);
        timer = undefined;
      } else if (timer === undefined) void look();
    };
    document.addEventListener('visibilitychange', seen);
    if (!document.hidden) void look();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }
}
