import { cache, prune, type CacheRecord } from '$lib/api/builds';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { act } from '$lib/kit/act';
import { confirm } from '$lib/kit/confirm.svelte';
import { bytes } from '$lib/kit/format';
import { calledOff, say } from '$lib/kit/toasts.svelte';

/** What builds keep beside images, as the engine listed it last. */
export class Cache {
  records = $state.raw<CacheRecord[]>();
  failure = $state.raw<unknown>();
  loading = $state(false);
  pruning = $state(false);
  /** IDs of what is chosen. */
  selected = $state.raw<Set<string>>(new Set());

  readonly total = $derived((this.records ?? []).reduce((sum, { Size }) => sum + Size, 0));
  readonly free = $derived((this.records ?? []).filter(({ InUse }) => !InUse));
  readonly chosen = $derived(this.free.filter(({ ID }) => this.selected.has(ID)));

  readonly #backend: Backend;
  #asked: AbortController | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async load(): Promise<void> {
    this.#asked?.abort();
    const { signal } = (this.#asked = new AbortController());
    this.loading = true;
    try {
      this.records = await cache(this.#backend, { signal });
      this.failure = undefined;
    } catch (error) {
      if (signal.aborted || calledOff(error)) return;
      this.failure = error;
    }
    this.loading = false;
  }

  /** Nobody looks at it any more. */
  leave(): void {
    this.#asked?.abort();
    this.loading = false;
  }

  /** Asks, and removes these and no others. */
  async remove(goes: readonly CacheRecord[]): Promise<void> {
    if (goes.length === 0 || this.pruning) return;
    const m = t().builds.cache;
    const size = goes.reduce((sum, { Size }) => sum + Size, 0);
    const { yes } = await confirm({
      title: m.removeTitle(goes.length),
      text: m.removeText(bytes(size)),
      action: m.remove,
      danger: true,
    });
    if (!yes) return;
    this.pruning = true;
    const ids = goes.map(({ ID }) => ID);
    const done = await act(m.removing, () => prune(this.#backend, ids));
    this.pruning = false;
    if (done) {
      const gone = done.CachesDeleted?.length ?? 0;
      const isAll = gone === ids.length;
      say({
        tone: isAll ? 'good' : 'warn',
        text: m.removed(gone, bytes(done.SpaceReclaimed)),
        detail: isAll ? undefined : m.stayed,
      });
      this.selected = new Set();
    }
    await this.load();
  }
}
