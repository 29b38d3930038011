/** What is said of a job. */
import { t } from '$lib/i18n/index.svelte';
import { say } from '$lib/kit/toasts.svelte';
import { isWatched, type Job } from './jobs.svelte';
import type { State } from './transfer.svelte';

export function busyWith({ kind, title }: Job): string {
  return t().images.job[kind](title);
}

export function doneWith({ kind, title }: Job): string {
  const { pulled, pushed, loaded } = t().images.job;
  return { pull: pulled, push: pushed, load: loaded }[kind](title);
}

export function failedTo({ kind, title }: Job): string {
  const { pullFailed, pushFailed, loadFailed } = t().images.job;
  return { pull: pullFailed, push: pushFailed, load: loadFailed }[kind](title);
}

/** For who has left the dialog by then. */
export function tell(state: State, job: Job): void {
  if (isWatched(job)) return;
  // The engine's own last line says more than that it is done: `Loaded image: a:1`, `Image is up to date for a:1`.
  const detail = job.transfer.progress.words.at(-1);
  if (state === 'done') say({ tone: 'good', text: doneWith(job), detail });
  if (state === 'failed') say({ tone: 'bad', text: failedTo(job), detail: job.transfer.failure });
}
