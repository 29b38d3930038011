import * as archives from '$lib/api/archive';
import { chunks } from '$lib/api/lines';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { act } from '$lib/kit/act';
import { confirm } from '$lib/kit/confirm.svelte';
import { bytes, count } from '$lib/kit/format';
import { save } from '$lib/kit/save';
import { say } from '$lib/kit/toasts.svelte';
import { download, resolve, upload, type Upload } from './content';
import { kindOf, type Entry } from './entry';
import { replaced } from './replaced';

/** Files on their way out of containers and into them, and how far they are. */
export class Traffic {
  /** What comes: how many bytes of it are here, and of how many if that is known. */
  fetching = $state.raw<{ path: string; came: number; of?: number }>();
  /** How many uploads go on. */
  sending = $state(0);
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Saves a file, or a folder as a tar archive, that lies at `path`. */
  async fetch(id: string, path: string, entry: Entry): Promise<void> {
    const done = await act(t().container.files.downloading(entry.name), async () => {
      this.fetching = { path, came: 0 };
      const end = entry.kind === 'symlink' ? await resolve(this.#backend, id, path) : undefined;
      const folder = end === undefined ? entry.kind === 'folder' : kindOf(end.stat) === 'folder';
      return folder ? this.#folder(id, path, end?.path ?? path, entry) : this.#file(id, path, entry);
    });
    this.fetching = undefined;
    done?.();
  }

  /** Puts files into a folder, after asking about those that they take the place of; false if nothing was tried. */
  async send(id: string, folder: string, uploads: Upload[]): Promise<boolean> {
    if (uploads.length === 0) return false;
    const m = t().container.files;
    const paths = uploads.map((one) => one.path);
    const lost = await act(m.uploading, () => replaced(this.#backend, id, folder, paths));
    if (lost === undefined) return false;
    if (lost.length > 0) {
      const { yes } = await confirm({
        title: m.replaceTitle(lost.length),
        text: m.replaceText,
        detail: lost.slice(0, 20),
        action: m.replace,
        danger: true,
      });
      if (!yes) return false;
    }
    this.sending += 1;
    const size = uploads.reduce((sum, { file }) => sum + file.size, 0);
    const done = await act(m.uploading, async () => {
      await upload(this.#backend, id, folder, uploads);
      return true;
    });
    this.sending -= 1;
    if (done) say({ tone: 'good', text: m.uploaded(count(uploads.length), uploads.length, bytes(size), folder) });
    return true;
  }

  async #file(id: string, path: string, { name }: Entry): Promise<() => void> {
    const parts = await download(this.#backend, id, path, (came, of) => (this.fetching = { path, came, of }));
    return () => save(name, parts);
  }

  async #folder(id: string, path: string, end: string, { name }: Entry): Promise<() => void> {
    const parts: BlobPart[] = [];
    let came = 0;
    for await (const piece of chunks((await archives.get(this.#backend, id, end)).tar)) {
      parts.push(new Blob([piece as Uint8Array<ArrayBuffer>]));
      this.fetching = { path, came: (came += piece.length) };
    }
    return () => save(`${name}.tar`, parts, 'application/x-tar');
  }
}
