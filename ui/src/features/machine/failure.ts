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
  if (failure.during === 'reset') return m.failure.reset;
  if (failure.step !== null) return m.failure.title(m.steps.name[failure.step]);
  return failure.alive ? m.failure.unusable : m.failure.running;
}

/** What helps, as far as it can be told from what it was at and whether it is still there. */
export function adviceOf(failure: Failure, m: Messages['machine']): string {
  const { advice } = m.failure;
  if (failure.unanswered) return advice.unanswered;
  if (failure.step === null)
    return failure.during === 'reset' ? advice.reset : failure.alive ? advice.unusable : advice.none;
  return failure.step === 'link' && !failure.alive ? advice.ended : advice[failure.step];
}
