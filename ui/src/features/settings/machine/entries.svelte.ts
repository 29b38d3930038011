import { set, settings } from '$lib/api/daemon';
import type { SettingEntry } from '$lib/api/generated/daemon';
import type { Backend } from '$lib/backend/backend';
import { daemonWords } from '$lib/shell/machine';
import { note, recall, waiting, type Kept } from './waiting';

/** The daemon's settings, and what becomes of changing them. */
export class Entries {
  list = $state.raw<SettingEntry[]>([]);
  loaded = $state(false);
  failure = $state.raw<unknown>();
  /** Why a change was refused, by the setting's name. */
  refused = $state.raw<Record<string, string>>({});
  saving = $state.raw<Record<string, true>>({});
  #kept = $state.raw<Kept | undefined>();
  #startedAt = $state.raw<number | null>(null);
  readonly #daemon: Backend;

  constructor(daemon: Backend) {
    this.#daemon = daemon;
  }

  readonly waiting: SettingEntry[] = $derived(
    this.#startedAt === null || this.#kept?.startedAt !== this.#startedAt ? [] : waiting(this.list, this.#kept),
  );

  async read(signal?: AbortSignal): Promise<void> {
    try {
      this.list = await settings(this.#daemon, { signal });
      this.loaded = true;
      this.failure = undefined;
    } catch (error) {
      if (!signal?.aborted) this.failure = error;
    }
  }

  /** Since when the machine runs; null while it does not: then nothing waits. */
  started(at: number | null): void {
    this.#startedAt = at;
    this.#kept = recall(at);
  }

  /** Sets one; without a value back to its default. True if it is set. */
  async set(name: string, value?: string): Promise<boolean> {
    const before = this.list.find((entry) => entry.name === name);
    this.saving = { ...this.saving, [name]: true };
    const { [name]: _, ...others } = this.refused;
    this.refused = others;
    try {
      const entry = await set(this.#daemon, name, value);
      if (before && entry.takes_effect === 'at_next_start' && this.#startedAt !== null) {
        this.#kept = note(this.#kept, this.#startedAt, before);
      }
      this.list = this.list.map((one) => (one.name === name ? entry : one));
      return true;
    } catch (error) {
      this.refused = { ...this.refused, [name]: daemonWords(error) };
      return false;
    } finally {
      const { [name]: _done, ...rest } = this.saving;
      this.saving = rest;
    }
  }
}
