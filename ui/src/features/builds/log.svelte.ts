import { logs } from '$lib/api/builds';
import { Refused } from '$lib/api/call';
import { chunks } from '$lib/api/lines';
import type { Backend } from '$lib/backend/backend';
import { LogBuffer } from '$features/container/logs/buffer';
import { Bell } from '$features/container/logs/follow';
import { Records } from '$features/container/logs/records';
import { backoff } from '$lib/live/backoff';

export type Standing = { at: 'reading' | 'waiting' | 'ended' } | { at: 'refused'; error: Refused };

/** The log of a build, or what one of its steps wrote, followed into a buffer until the build ends. */
export class BuildLog {
  standing = $state.raw<Standing>({ at: 'reading' });
  readonly buffer: LogBuffer;
  readonly #backend: Backend;
  readonly #ref: string;
  readonly #vertex: string | undefined;
  readonly #bell = new Bell();

  constructor(backend: Backend, ref: string, { vertex, lines }: { vertex?: string; lines?: number } = {}) {
    this.#backend = backend;
    this.#ref = ref;
    this.#vertex = vertex;
    this.buffer = new LogBuffer({ lines });
  }

  /** Reads now instead of later, for when the engine is known to be there. */
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
        await this.#read(signal, () => (failures = 0));
        if (!signal.aborted) this.standing = { at: 'ended' };
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused) {
          this.standing = { at: 'refused', error };
          return;
        }
        this.standing = { at: 'waiting' };
        await this.#bell.sleep(signal, backoff(failures++));
      }
    }
  }

  async #read(signal: AbortSignal, onData: () => void): Promise<void> {
    const body = await logs(this.#backend, this.#ref, { follow: true, vertex: this.#vertex, signal });
    this.standing = { at: 'reading' };
    // The engine begins at the beginning each time.
    this.buffer.clear();
    const records = new Records({ framed: false, stamped: false });
    for await (const chunk of chunks(body)) {
      onData();
      this.buffer.push(records.push(chunk));
    }
    this.buffer.push(records.end());
  }
}

/** The whole log as the engine has it, as parts of a file. */
export async function wholeLog(backend: Backend, ref: string, signal: AbortSignal): Promise<BlobPart[]> {
  const parts: BlobPart[] = [];
  for await (const bytes of chunks(await logs(backend, ref, { signal }))) {
    parts.push(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  }
  return parts;
}
