import type { Failure, LogSource } from '$lib/api/generated/daemon';
import type { Messages } from '$lib/i18n/index.svelte';

/** The log that most likely says more of a failure. */
export function logOf(failure: Failure): LogSource {
  switch (failure.step) {
    case 'check':
    case 'image':
    case 'disk':
      return 'daemon';
    case 'boot':
      return 'qemu';
    case 'link':
    case 'engine':
    case null:
      return 'console';
  }
}

/** Whether a setting may put it right. */
export function settable(failure: Failure): boolean {
  return failure.step !== null && failure.step !== 'image' && failure.step !== 'engine';
}

export function titleOf(failure: Failure, m: Messages['machine']): string {
  if (failure.step !== null) return m.failure.title(m.steps.name[failure.step]);
  return failure.alive ? m.failure.unusable : m.failure.running;
}
