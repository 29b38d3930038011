/** Something that is asked again and again. */
export interface Poll {
  /** Asks now instead of later. */
  now(): void;
  stop(): void;
}

/**
 * Runs `job`, and again so long after each end of it as `wait` says by then, in milliseconds; undefined is not again. Not while the page is out
 * of sight. `job` does not reject: what fails is its own to keep.
 */
export function poll(job: (signal: AbortSignal) => Promise<void>, wait: () => number | undefined): Poll {
  const stop = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running = false;
  let again = false;
  const ask = async () => {
    if (stop.signal.aborted) return;
    clearTimeout(timer);
    timer = undefined;
    if (running) {
      again = true;
      return;
    }
    running = true;
    do {
      again = false;
      await job(stop.signal);
    } while (again && !stop.signal.aborted);
    running = false;
    const next = wait();
    if (next !== undefined && !stop.signal.aborted && !document.hidden) timer = setTimeout(() => void ask(), next);
  };
  const seen = () => {
    if (!document.hidden) {
      if (timer === undefined && !running) void ask();
      return;
    }
    clearTimeout(timer);
    timer = undefined;
  };
  document.addEventListener('visibilitychange', seen);
  if (!document.hidden) void ask();
  return {
    now: () => void ask(),
    stop: () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    },
  };
}
