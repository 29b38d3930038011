import { Refused } from '$lib/api/call';
import { set, settings } from '$lib/api/daemon';
import type { SettingEntry } from '$lib/api/generated/daemon';
import type { Backend } from '$lib/backend/backend';
import { daemonWords } from '$lib/shell/machine';

/** The daemon's settings, and what becomes of changing them. */
export class Entries {
  list = $state.raw<SettingEntry[]>([]);
  loaded = $state(false);
  failure = $state.raw<unknown>();
  /** Why a change was refused, by the setting's name. */
  refused = $state.raw<Record<string, string>>({});
  saving = $state.raw<Record<string, true>>({});
  readonly #daemon: Backend;

  constructor(daemon: Backend) {
    this.#daemon = daemon;
  }

  /** Those of which the machine that is there was started with another value. */
  readonly waiting: SettingEntry[] = $derived(this.list.filter((entry) => entry.in_force !== null));

  /** With `start` a daemon is started for it: where a person asks. */
  async read({ start, signal }: { start?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    try {
      this.list = await settings(this.#daemon, { start, signal });
      this.loaded = true;
      this.failure = undefined;
    } catch (error) {
      if (!signal?.aborted) this.failure = error;
    }
  }

  /** Sets one; without a value back to its default. True if it is set. */
  async set(name: string, value?: string): Promise<boolean> {
    this.saving = { ...this.saving, [name]: true };
    const { [name]: _, ...others } = this.refused;
    this.refused = others;
    try {
      const entry = await set(this.#daemon, name, value);
      this.list = this.list.map((one) => (one.name === name ? entry : one));
      return true;
    } catch (error) {
      this.refused = { ...this.refused, [name]: error instanceof Refused ? error.message : daemonWords(error) };
      return false;
    } finally {
      const { [name]: _done, ...rest } = this.saving;
      this.saving = rest;
    }
  }
}
