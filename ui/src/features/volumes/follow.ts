import { kindOf, parentOf } from '$features/container/files/entry';
import * as archives from '$lib/api/archive';
import type { PathStat } from '$lib/api/generated';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { ROOT } from './keeper';

/** Links beyond this many go in a circle (Linux: 40 too). */
const MOST_LINKS = 40;

const steps = (of: string) => of.split('/').filter((step) => step !== '' && step !== '.');

/**
 * Where `path` of a keeper leads to, links followed, and what is there. A link out of the volume is refused: beyond it is the keeper's image,
 * whose files are not the volume's, and what is written to them goes with the keeper. So each step is looked at, not only the last.
 */
export async function follow(
  backend: Backend,
  id: string,
  path: string,
  signal?: AbortSignal,
): Promise<{ path: string; stat: PathStat }> {
  const look = (at: string) => archives.head(backend, id, at, { signal });
  let at = ROOT;
  let ahead = steps(path.slice(ROOT.length));
  let stat: PathStat | undefined;
  for (let links = 0; ahead.length > 0;) {
    const [step, ...rest] = ahead as [string, ...string[]];
    ahead = rest;
    if (step === '..') {
      if (at === ROOT) throw new Outside(path);
      at = parentOf(at);
      stat = undefined;
      continue;
    }
    const found = await look(`${at}/${step}`);
    if (kindOf(found) !== 'symlink') {
      at = `${at}/${step}`;
      stat = found;
      continue;
    }
    if (++links > MOST_LINKS) throw new Error(t().volumes.files.circle);
    const target = found.linkTarget;
    if (!target.startsWith('/')) {
      ahead = [...steps(target), ...rest];
      continue;
    }
    if (target !== ROOT && !target.startsWith(`${ROOT}/`)) throw new Outside(path);
    ahead = [...steps(target.slice(ROOT.length)), ...rest];
    at = ROOT;
    stat = undefined;
  }
  return { path: at, stat: stat ?? (await look(at)) };
}

/** The way leads out of the volume. */
export class Outside extends Error {
  override readonly name = 'Outside';
  constructor(path: string) {
    super(t().volumes.files.outside(path.slice(ROOT.length) || '/'));
  }
}
