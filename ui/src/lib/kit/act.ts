import { report } from './toasts.svelte';

/** Does `job`; a failure is told to the person and gives undefined. */
export async function act<T>(doing: string, job: () => Promise<T>): Promise<T | undefined> {
  try {
    return await job();
  } catch (error) {
    report(error, doing);
    return undefined;
  }
}
