import { Refused } from '$lib/api/call';
import { set, settings } from '$lib/api/daemon';
import type { SettingEntry } from '$lib/api/generated/daemon';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { daemonWords } from '$lib/shell/machine';

/** A change that is asked for: the setting's name, and its value; without one back to its default. */
type Change = { name: string; value: string | undefined };

/** The daemon's settings, and what becomes of changing them. */
export class Entries {
  list = $state.raw<SettingEntry[]>([]);
  loaded = $state(false);
  failure = $state.raw<unknown>();
  /** What was refused, or failed of what follows from a change that was kept, by the setting's name. */
  refused = $state.raw<Record<string, string>>({});
  saving = $state.raw<Record<string, true>>({});
  /** How often a value became another one by somebody else, or went back to its default: what was typed before is of no value then. */
  others = $state.raw<Record<string, number>>({});
  readonly #daemon: Backend;
  /** The last change of a setting that is not answered yet. Each waits for the one before: the daemon takes them in any order. */
  readonly #last = new Map<string, { change: Change; done: Promise<boolean> }>();

  constructor(daemon: Backend) {
    this.#daemon = daemon;
  }

  /** Those of which the machine that is there was started with another value. */
  readonly waiting: SettingEntry[] = $derived(this.list.filter((entry) => entry.in_force !== null));

  /** With `start` a daemon is started for it: where a person asks. */
  async read({ start, signal }: { start?: boolean; signal?: AbortSignal } = {}): Promise<void> {
    try {
      const list = await settings(this.#daemon, { start, signal });
      // Of what is being changed the answer to that will tell.
      for (const entry of list) if (!this.#last.has(entry.name)) this.#differs(entry);
      this.list = list.map((entry) => (this.#last.has(entry.name) && this.#entry(entry.name)) || entry);
      this.loaded = true;
      this.failure = undefined;
    } catch (error) {
      if (!signal?.aborted) this.failure = error;
    }
  }

  /** What the value is once all is answered that is asked for already. */
  standing(name: string): string | undefined {
    const last = this.#last.get(name)?.change;
    return last ? (last.value ?? this.#entry(name)?.default) : this.#entry(name)?.value;
  }

  /** Sets one; without a value back to its default. True if it is set. */
  async set(name: string, value?: string): Promise<boolean> {
    const change = { name, value };
    const before = this.#last.get(name)?.done;
    this.saving = { ...this.saving, [name]: true };
    const done = (async () => {
      await before;
      return this.#change(change);
    })();
    this.#last.set(name, { change, done });
    const is = await done;
    if (this.#last.get(name)?.done === done) {
      this.#last.delete(name);
      this.saving = without(this.saving, name);
    }
    return is;
  }

  /** What was refused is no longer asked for. */
  forgive(name: string): void {
    this.refused = without(this.refused, name);
  }

  async #change({ name, value }: Change): Promise<boolean> {
    const before = this.#entry(name);
    this.forgive(name);
    try {
      this.#become(await set(this.#daemon, name, value), value === undefined);
      return true;
    } catch (error) {
      const kept = await this.#keptAll(error, before);
      if (kept) this.#become(kept, value === undefined);
      this.refused = {
        ...this.refused,
        [name]: kept ? t().daemonSettings.keptBut(daemonWords(error)) : daemonWords(error),
      };
      return kept !== undefined;
    }
  }

  /** What a setting is, if it became another although `error` was answered: the daemon keeps what it took, whatever fails after. */
  async #keptAll(error: unknown, before: SettingEntry | undefined): Promise<SettingEntry | undefined> {
    if (before === undefined || (error instanceof Refused && error.status < 500)) return undefined;
    try {
      const now = (await settings(this.#daemon)).find((entry) => entry.name === before.name);
      return now?.value === before.value && now.is_set === before.is_set ? undefined : now;
    } catch {
      // Whoever does not answer that either is away, and all is read again once it is back.
      return undefined;
    }
  }

  #become(entry: SettingEntry, isReset: boolean): void {
    if (isReset) this.#differs(entry);
    this.list = this.list.map((one) => (one.name === entry.name ? entry : one));
  }

  #differs({ name, value }: SettingEntry): void {
    const before = this.#entry(name);
    if (before && before.value !== value) this.others = { ...this.others, [name]: (this.others[name] ?? 0) + 1 };
  }

  #entry(name: string): SettingEntry | undefined {
    return this.list.find((entry) => entry.name === name);
  }
}

function without<V>(of: Record<string, V>, name: string): Record<string, V> {
  const { [name]: _, ...others } = of;
  return others;
}
