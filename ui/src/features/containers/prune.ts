import * as containers from '$lib/api/containers';
import { t } from '$lib/i18n/index.svelte';
import { confirm } from '$lib/kit/confirm.svelte';
import { bytes } from '$lib/kit/format';
import { say, words } from '$lib/kit/toasts.svelte';
import { isHelper } from '$lib/live/helpers';
import { carryOut, tell, type Desk } from './actions';
import { isStopped, row, type Row } from './rows';

export type Stopped = { row: Row; size: number };

/** The stopped containers with what each has written, the largest first; not those that pages read a volume with just now. */
export async function stopped(desk: Pick<Desk, 'backend'>): Promise<Stopped[]> {
  const found = await containers.list(desk.backend, {
    all: true,
    size: true,
    filters: { status: ['created', 'exited', 'dead'] },
  });
  return found
    .filter((summary) => !isHelper(summary))
    .map((summary) => ({ row: row(summary), size: summary.SizeRw ?? 0 }))
    .filter(({ row }) => isStopped(row.state))
    .sort((one, other) => other.size - one.size);
}

/**
 * Asks with all that would go, and removes exactly that. The engine's own prune would take what stopped since the question too, and
 * nobody was asked about it.
 */
export async function prune(desk: Desk): Promise<void> {
  const m = t().containers.prune;
  let found: Stopped[];
  try {
    found = await stopped(desk);
  } catch (error) {
    say({ tone: 'bad', text: m.doing, detail: words(error) });
    return;
  }
  if (found.length === 0) {
    say({ tone: 'info', text: m.none });
    return;
  }
  const { yes } = await confirm({
    title: m.title(found.length),
    text: m.text(bytes(sum(found))),
    detail: found.map(({ row, size }) => m.one(row.name, bytes(size))),
    action: m.yes(found.length),
    danger: true,
  });
  if (!yes) return;
  const rows = found.map(({ row }) => row);
  const failures = await carryOut(desk, 'remove', rows);
  const kept = new Set(failures.map(({ row }) => row.id));
  const removed = found.filter(({ row }) => !kept.has(row.id));
  if (removed.length > 0) say({ tone: 'good', text: m.done(removed.length, bytes(sum(removed))) });
  tell('remove', rows.length, failures);
}

function sum(of: readonly Stopped[]): number {
  return of.reduce((all, { size }) => all + size, 0);
}
