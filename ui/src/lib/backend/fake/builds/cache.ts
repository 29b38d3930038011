import type { CacheRecord } from '$lib/api/builds';
import { invalid } from '../core/failure';
import type { Filters } from '../core/filters';
import { pointInTime, rfc3339 } from '../core/time';

const FIELDS = ['id', 'parent', 'type', 'description', 'inuse', 'shared', 'private'];

interface Kept {
  id: string;
  kind: 'exec.cachemount' | 'source.local';
  size: number;
  /** Milliseconds since the epoch. */
  used: number;
  inUse?: boolean;
}

const DESCRIPTIONS = { 'exec.cachemount': 'cached mount of a RUN', 'source.local': 'local source for context' };

/** What builds keep beside images: the caches of their RUNs, and contexts. */
export class BuildCache {
  all: Kept[] = [];

  list(): (CacheRecord & Record<string, unknown>)[] {
    return this.all.map(({ id, kind, size, used, inUse = false }) => ({
      ID: id,
      Type: kind,
      Description: DESCRIPTIONS[kind],
      InUse: inUse,
      Shared: false,
      Size: size,
      CreatedAt: rfc3339(used),
      LastUsedAt: rfc3339(used),
      UsageCount: 1,
    }));
  }

  /**
   * What is in use stays, and what has to meet filters that it does not. What was not used for longest goes first, until no more than `room`
   * bytes are left; 0 is no such bound.
   */
  prune(filters: Filters, room: number, now: number): Kept[] {
    filters.only([...FIELDS, 'until', 'unused-for', 'label', 'label!'], refused);
    const since = unusedSince(filters, now);
    for (const field of FIELDS) if (filters.values(field).length > 1) throw refused(SEVERAL);
    const labelled = filters.values('label').length > 0;
    const goes = (kept: Kept) =>
      !kept.inUse &&
      !labelled &&
      filters.any('id', (pattern) => new RegExp(pattern).test(kept.id)) &&
      filters.any('type', (type) => type === kept.kind);
    let left = this.all.reduce((sum, { size }) => sum + size, 0);
    const gone = this.all
      .filter((kept) => goes(kept) && kept.used <= since)
      .toSorted((a, b) => a.used - b.used)
      .filter(({ size }) => {
        const isTooMuch = left > room || room === 0;
        if (isTooMuch) left -= size;
        return isTooMuch;
      });
    this.all = this.all.filter((kept) => !gone.includes(kept));
    return gone;
  }
}

const refused = (words: string) => invalid(`failed to prune build cache: ${words}`);
const SEVERAL = 'filters expect only one value';

function unusedSince(filters: Filters, now: number): number {
  const [age, another] = [...filters.values('until'), ...filters.values('unused-for')];
  if (another !== undefined) throw refused(SEVERAL);
  const wrong = (words: string) => refused(`"until" filter expects a duration (e.g., '24h') or a timestamp: ${words}`);
  return age === undefined ? Infinity : pointInTime(age, now, wrong);
}
