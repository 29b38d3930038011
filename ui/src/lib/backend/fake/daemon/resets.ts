/** What becomes of a reset, as `app/host/src/machine/state/resets.rs` decides it. */
import type { ResetReport } from '$lib/api/generated/daemon';
import type { Ask, State } from './state';

/** A reset that a state is on the way to, or in. */
export function resetUnderWay(state: State): { keepVolumes: boolean; removes: boolean } | undefined {
  switch (state.is) {
    case 'starting':
      return state.purpose === 'clean' ? { keepVolumes: true, removes: false } : undefined;
    case 'cleaning':
      return { keepVolumes: true, removes: true };
    case 'erasing':
      return { keepVolumes: false, removes: true };
    case 'stopping':
      if (state.then.is === 'erase') return { keepVolumes: false, removes: false };
      return state.then.is === 'start' && state.then.purpose === 'clean'
        ? { keepVolumes: true, removes: false }
        : undefined;
    case 'stopped':
    case 'running':
    case 'failed':
      return undefined;
  }
}

/** What is said of the latest reset once the machine went from one state to another: asked to, or because all is removed. */
export function resetAfter(
  { from, to, ask, removed }: { from: State; to: State; ask?: Ask['is']; removed: boolean },
  said: ResetReport | null,
): ResetReport | null {
  const next = resetUnderWay(to);
  if (next) return { keep_volumes: next.keepVolumes, outcome: 'under_way' };
  const before = resetUnderWay(from);
  if (before) {
    const outcome = removed ? 'done' : before.removes ? 'incomplete' : 'not_begun';
    return { keep_volumes: before.keepVolumes, outcome };
  }
  const settled = from.is === 'stopped' || from.is === 'running' || from.is === 'failed';
  const starts = ask === 'restart' || (ask === 'up' && from !== to);
  return settled && starts ? null : said;
}
