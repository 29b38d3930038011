import { Unreachable } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { sentence } from '$lib/i18n/sentence.svelte';
import type { Tone } from './tone';

export type Toast = {
  tone: Tone;
  text: string;
  detail?: string;
  action?: { label: string; run: () => void };
};

/** How long a toast that tells of no failure stays. */
export const STAYS = 6000;
/** More would cover the page; the oldest go. */
const MOST = 5;

let shown = $state.raw<{ id: number; toast: Toast }[]>([]);
let next = 0;

export function toasts(): readonly { id: number; toast: Toast }[] {
  return shown;
}

/** Shows a toast; returns what takes it away again. */
export function say(toast: Toast): () => void {
  const id = (next += 1);
  // The same words once more replace what stands there: a list of equals says nothing.
  const others = shown.filter(({ toast: old }) => old.text !== toast.text || old.detail !== toast.detail);
  shown = [...others, { id, toast }].slice(-MOST);
  return () => dismiss(id);
}

export function dismiss(id: number): void {
  shown = shown.filter((one) => one.id !== id);
}

/** What went wrong, in the engine's words if it spoke, in the language of the pages where there is a translation. */
export function words(error: unknown): string {
  if (error instanceof Unreachable) return t().kit.unreachable;
  if (error instanceof Error && error.message !== '') return sentence(error.message);
  return t().kit.unexpected;
}

/** True of an error that says only that the person left or called it off. */
export function calledOff(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Says that `doing` failed; nothing of what was called off. */
export function report(error: unknown, doing: string): void {
  if (calledOff(error)) return;
  say({ tone: 'bad', text: t().kit.failed(doing), detail: words(error) });
}
