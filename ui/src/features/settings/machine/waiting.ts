/**
 * Which settings were changed since the machine started and come into force when it starts next. The daemon does not say, so it is kept
 * here what each was at that start.
 */
import type { SettingEntry } from '$lib/api/generated/daemon';

export type Kept = {
  /** Of the start that `values` were in force for. */
  startedAt: number;
  values: Record<string, string>;
};

const KEY = 'berth.settings.started';

export function parseKept(text: string | null): Kept | undefined {
  try {
    const value = JSON.parse(text ?? 'null') as Partial<Kept> | null;
    const values = value?.values;
    if (typeof value?.startedAt !== 'number' || typeof values !== 'object' || values === null) return undefined;
    return Object.values(values).every((one) => typeof one === 'string')
      ? { startedAt: value.startedAt, values }
      : undefined;
  } catch {
    return undefined;
  }
}

/** What is kept for the start of now; nothing of an earlier one. */
export function recall(startedAt: number | null): Kept | undefined {
  let kept: Kept | undefined;
  try {
    kept = parseKept(localStorage.getItem(KEY));
  } catch {
    // Forbidden: as if nothing were kept.
  }
  return kept?.startedAt === startedAt ? kept : undefined;
}

/** Notes what a setting was before it was changed for the first time since the start. */
export function note(kept: Kept | undefined, startedAt: number, before: Pick<SettingEntry, 'name' | 'value'>): Kept {
  const values = { [before.name]: before.value, ...kept?.values };
  const now = { startedAt, values };
  try {
    localStorage.setItem(KEY, JSON.stringify(now));
  } catch {
    // Storage is full or forbidden: it holds until the window is closed.
  }
  return now;
}

/** The settings that wait; not those that were set back meanwhile. */
export function waiting(entries: readonly SettingEntry[], kept: Kept | undefined): SettingEntry[] {
  return entries.filter(
    ({ name, value, takes_effect }) =>
      takes_effect === 'at_next_start' &&
      kept !== undefined &&
      Object.hasOwn(kept.values, name) &&
      kept.values[name] !== value,
  );
}
