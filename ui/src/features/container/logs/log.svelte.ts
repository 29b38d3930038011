import * as containers from '$lib/api/containers';
import { chunks } from '$lib/api/lines';
import type { Backend } from '$lib/backend/backend';
import { Bell } from '$lib/live/bell';
import type { Live } from '$lib/live/live.svelte';
import { LogBuffer } from './buffer';
import { follow, type Standing } from './follow';
import type { Entry } from './records';

/** The log of one container, followed into a buffer. */
export class ContainerLog {
  standing = $state.raw<Standing>({ at: 'reading' });
  readonly #backend: Backend;
  readonly #live: Live;

  constructor(
    backend: Backend,
    live: Live,
    readonly id: string,
    readonly buffer = new LogBuffer(),
    /** Whose lines they are, where the buffer holds those of several. */
    readonly source?: string,
  ) {
    this.#backend = backend;
    this.#live = live;
  }

  /** Follows until the returned function is called. */
  start(): () => void {
    const stop = new AbortController();
    const bell = new Bell();
    const unlisten = this.#live.onEvent(
      { type: 'container', actions: ['start', 'restart', 'unpause'], id: this.id },
      () => bell.ring(),
    );
    const unwatch = this.#reconnected(() => bell.ring());
    void follow({
      backend: this.#backend,
      id: this.id,
      tail: this.buffer.capacity,
      bell,
      signal: stop.signal,
      onEntries: (entries) => this.#take(entries),
      onStanding: (standing) => (this.standing = standing),
      running: async () => (await containers.inspect(this.#backend, this.id, { signal: stop.signal })).State.Running,
    });
    return () => {
      stop.abort();
      unlisten();
      unwatch();
    };
  }

  #take(entries: Entry[]): void {
    if (this.source !== undefined) for (const entry of entries) entry.source = this.source;
    this.buffer.push(entries);
  }

  /** Calls back when the engine is there again. */
  #reconnected(callback: () => void): () => void {
    return $effect.root(() => {
      let session = -1;
      $effect(() => {
        if (session !== -1 && this.#live.session !== session) callback();
        session = this.#live.session;
      });
    });
  }
}

/** The whole log as the engine has it, as parts of a file. */
export async function wholeLog(
  backend: Backend,
  id: string,
  timestamps: boolean,
  signal: AbortSignal,
): Promise<BlobPart[]> {
  const parts: BlobPart[] = [];
  for await (const { bytes } of chunks(await containers.logs(backend, id, { timestamps, signal }))) {
    parts.push(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  }
  return parts;
}
