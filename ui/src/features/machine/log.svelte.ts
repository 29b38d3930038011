import { log } from '$lib/api/daemon';
import { Refused } from '$lib/api/call';
import type { LogSource } from '$lib/api/generated/daemon';
import { chunks } from '$lib/api/lines';
import type { Backend } from '$lib/backend/backend';
import { LogBuffer } from '$features/container/logs/buffer';
import { Bell } from '$features/container/logs/follow';
import { Records } from '$features/container/logs/records';
import { backoff } from '$lib/live/backoff';

export const SOURCES = ['console', 'daemon', 'qemu', 'vsock'] as const satisfies readonly LogSource[];

type Standing = { at: 'reading' | 'waiting' } | { at: 'refused'; error: Refused };

/** One log of the machine, followed into a buffer. */
export class MachineLog {
  standing = $state.raw<Standing>({ at: 'reading' });
  readonly buffer = new LogBuffer();
  readonly #daemon: Backend;
  readonly #bell = new Bell();

  constructor(
    daemon: Backend,
    readonly source: LogSource,
  ) {
    this.#daemon = daemon;
  }

  /** Reads now instead of later, for when the daemon is known to be there. */
  wake(): void {
    this.#bell.ring();
  }

  /** Follows until the function that it gives is called. */
  start(): () => void {
    const stop = new AbortController();
    void this.#follow(stop.signal);
    return () => stop.abort();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const body = await log(this.#daemon, this.source, { follow: true, signal });
        this.standing = { at: 'reading' };
        // The daemon begins at the beginning each time.
        this.buffer.clear();
        const records = new Records({ framed: false });
        for await (const chunk of chunks(body)) {
          failures = 0;
          this.buffer.push(records.push(chunk));
        }
        this.buffer.push(records.end());
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused) this.standing = { at: 'refused', error };
      }
      if (signal.aborted) return;
      if (this.standing.at !== 'refused') this.standing = { at: 'waiting' };
      await this.#bell.sleep(signal, backoff(failures++));
    }
  }
}
