import { offer } from '$lib/kit/save';
import { calledOff, words } from '$lib/kit/toasts.svelte';

export type Source = (signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;

/** What browsers that can write straight to a file have beyond the standard types. */
type Picker = (options: {
  suggestedName: string;
}) => Promise<{ createWritable(): Promise<WritableStream<Uint8Array>> }>;

/**
 * A stream of the engine's on its way to a file. Straight to the disk where the browser can; else it is collected first, which the
 * browser does on its own disk when it is much.
 */
export class Download {
  state = $state<'idle' | 'running' | 'done' | 'failed' | 'stopped'>('idle');
  /** Bytes so far; nobody knows how many come. */
  bytes = $state(0);
  failure = $state<string | undefined>();
  #control = new AbortController();

  /** To be called in a click: the browser asks for a file only then. */
  async run(name: string, source: Source): Promise<void> {
    const { signal } = (this.#control = new AbortController());
    this.bytes = 0;
    this.failure = undefined;
    this.state = 'running';
    try {
      const write = await target(name);
      await write(await source(signal), (count) => (this.bytes += count), signal);
      this.state = 'done';
    } catch (error) {
      const stopped = signal.aborted || calledOff(error);
      this.state = stopped ? 'stopped' : 'failed';
      this.failure = stopped ? undefined : words(error);
    }
  }

  stop(): void {
    this.#control.abort();
  }
}

type Write = (body: ReadableStream<Uint8Array>, count: (bytes: number) => void, signal: AbortSignal) => Promise<void>;

async function target(name: string): Promise<Write> {
  const pick = (globalThis as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  if (pick !== undefined) {
    const file = await (await pick.call(globalThis, { suggestedName: name })).createWritable();
    return (body, count, signal) => body.pipeThrough(counted(count)).pipeTo(file, { signal });
  }
  return async (body, count, signal) => {
    const chunks: Blob[] = [];
    let open: Uint8Array[] = [];
    let size = 0;
    // Blobs may live on disk, pieces of memory may not.
    const flush = () => {
      chunks.push(new Blob(open as BlobPart[]));
      open = [];
      size = 0;
    };
    const sink = new WritableStream<Uint8Array>({
      write(chunk) {
        open.push(chunk);
        size += chunk.length;
        if (size >= 1 << 24) flush();
      },
    });
    await body.pipeThrough(counted(count)).pipeTo(sink, { signal });
    flush();
    offer(new Blob(chunks, { type: 'application/x-tar' }), name);
  };
}

function counted(count: (bytes: number) => void): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(chunk, controller) {
      count(chunk.length);
      controller.enqueue(chunk);
    },
  });
}

/** A name for the archive of these images or volumes, whose own may hold what file systems do not take. */
export function archiveName(of: readonly string[], extension: string): string {
  const first =
    (of[0] ?? 'images')
      .replace(/[^a-zA-Z0-9._-]+/g, '_')
      .replace(/^[._]+/, '')
      .slice(0, 100) || 'images';
  return `${first}${of.length > 1 ? `-and-${of.length - 1}-more` : ''}.${extension}`;
}
