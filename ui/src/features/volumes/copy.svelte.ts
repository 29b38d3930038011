/** Content of volumes on its way: out to a file, in from one, and from one volume to another. */
import * as archives from '$lib/api/archive';
import type { Volume } from '$lib/api/generated';
import { chunks } from '$lib/api/lines';
import * as volumes from '$lib/api/volumes';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { words } from '$lib/kit/toasts.svelte';
import { keep, orCalledOff, ROOT, volumeOf, withKeeper } from './keeper';

/** The folder's content without the folder itself as a name before it. */
const CONTENT = `${ROOT}/.`;

/** The label that says which clone made a volume: an engine answers a request for a volume that is there already with that one. */
export const CLONE = 'berth.clone';

/** All of a volume as a tar. Its keeper goes when the stream ends, or is ended. */
export async function content(
  backend: Backend,
  volume: string,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const keeper = await keep(backend, volume, 'read', signal);
  try {
    const { tar } = await archives.get(backend, keeper.id, CONTENT, { signal });
    const pieces = chunks(tar);
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const { done, value } = await pieces.next();
          if (!done) return controller.enqueue(value);
          await keeper.close();
          controller.close();
        } catch (error) {
          await keeper.close();
          controller.error(error);
        }
      },
      async cancel() {
        await pieces.return(undefined);
        await keeper.close();
      },
    });
  } catch (error) {
    await keeper.close();
    throw error;
  }
}

/** Removes the volume if it is `ours`, and no other that has its name by now. */
async function discard(backend: Backend, name: string, ours: (of: Volume | undefined) => boolean): Promise<void> {
  if (ours(await volumeOf(backend, name))) await volumes.remove(backend, name, { force: true });
}

export type Phase = 'reading' | 'writing';

/** One import or clone, for a dialog to show. */
export class Copy {
  state = $state<'idle' | 'running' | 'done' | 'failed' | 'stopped'>('idle');
  phase = $state<Phase>('reading');
  /** Bytes read so far. */
  bytes = $state(0);
  failure = $state<string | undefined>();
  #control = new AbortController();

  stop(): void {
    this.#control.abort();
  }

  /** Unpacks a tar, compressed or not, into a volume; what is there already stays unless the tar has the same. */
  import(backend: Backend, volume: string, tar: Blob): Promise<void> {
    return this.#run(async (signal) => {
      this.bytes = tar.size;
      await this.#write(backend, volume, tar, signal);
    });
  }

  /**
   * Makes `to` with all that is in `from`. The bytes go through this window: no engine has a request for it, and a program that copies is
   * in no image for certain. A clone that fails leaves no half volume behind.
   */
  clone(backend: Backend, from: string, to: string, labels: Record<string, string>): Promise<void> {
    return this.#run(async (signal) => {
      this.phase = 'reading';
      const parts: Blob[] = [];
      for await (const piece of chunks(await content(backend, from, signal))) {
        parts.push(new Blob([piece as Uint8Array<ArrayBuffer>]));
        this.bytes += piece.length;
      }
      const mark = crypto.randomUUID();
      const ours = (of: Volume | undefined) => of?.Labels?.[CLONE] === mark;
      // It took its time to read: somebody may have made one of this name since the dialog looked.
      if ((await volumeOf(backend, to, signal)) !== undefined) throw new Error(t().volumes.create.fault.taken);
      const making = volumes.create(backend, { Name: to, Labels: { ...labels, [CLONE]: mark } });
      let answered = false;
      try {
        const made = await orCalledOff(making, signal);
        answered = true;
        if (!ours(made)) throw new Error(t().volumes.create.fault.taken);
        await this.#write(backend, to, new Blob(parts), signal);
      } catch (error) {
        const end = making.then(() => discard(backend, to, ours)).catch((why: unknown) => console.warn(why));
        // Stopped while the engine takes its time: what it makes in the end goes then.
        if (answered || !signal.aborted) await end;
        throw error;
      }
    });
  }

  async #write(backend: Backend, volume: string, tar: Blob, signal: AbortSignal): Promise<void> {
    this.phase = 'writing';
    await withKeeper(backend, volume, 'write', signal, (id) => archives.put(backend, id, ROOT, tar, { signal }));
  }

  async #run(job: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = (this.#control = new AbortController());
    this.bytes = 0;
    this.failure = undefined;
    this.state = 'running';
    try {
      await job(signal);
      this.state = 'done';
    } catch (error) {
      this.state = signal.aborted ? 'stopped' : 'failed';
      this.failure = signal.aborted ? undefined : words(error);
    }
  }
}
