import { Transfer, type State, type Work } from './transfer.svelte';

export type JobKind = 'pull' | 'push' | 'load';

export interface Job {
  readonly id: number;
  readonly kind: JobKind;
  /** The image's or the file's name. */
  readonly title: string;
  readonly transfer: Transfer;
}

/** The job that a dialog shows: nobody needs to be told how it ended. */
let watched: Job | undefined;

/**
 * Transfers outlive the dialog and the page that began them: they are of the window. One that succeeded leaves by itself, one that failed
 * stays until somebody has seen it.
 */
let jobs = $state.raw<readonly Job[]>([]);
let next = 0;

export function running(): readonly Job[] {
  return jobs;
}

export function begin(kind: JobKind, title: string, work: Work, ended?: (state: State, job: Job) => void): Job {
  const job: Job = { id: (next += 1), kind, title, transfer: new Transfer(work) };
  jobs = [...jobs, job];
  void again(job, ended);
  return job;
}

/** Runs a job, also once more after it failed. */
export async function again(job: Job, ended?: (state: State, job: Job) => void): Promise<void> {
  const state = await job.transfer.run();
  if (state === 'done' || state === 'stopped') dismiss(job);
  ended?.(state, job);
}

/** Says that a dialog shows a job, until the function that it gives is called. */
export function watch(job: Job): () => void {
  watched = job;
  return () => {
    if (watched === job) watched = undefined;
  };
}

export function isWatched(job: Job): boolean {
  return watched === job;
}

/** Takes a job off the list; one that still runs is ended. */
export function dismiss(job: Job): void {
  jobs = jobs.filter((one) => one !== job);
  if (job.transfer.state === 'running') job.transfer.stop();
}

/** Takes all off the list; those that still run are ended. */
export function dismissAll(): void {
  for (const job of jobs) dismiss(job);
}
