import * as networks from '$lib/api/networks';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { act } from '$lib/kit/act';
import { each } from '$lib/kit/each';
import { confirm, type Question } from '$lib/kit/confirm.svelte';
import { say } from '$lib/kit/toasts.svelte';
import { pruning, type Pruning } from './prune';
import { running, type NetworkRow } from './rows';

/** Asks, and removes. Running containers are disconnected first if the person wants it. Returns how many are gone. */
export async function remove(backend: Backend, rows: readonly NetworkRow[]): Promise<number> {
  const going = rows.filter(({ builtin }) => !builtin);
  if (going.length === 0) return 0;
  if (!(await confirm(removal(going))).yes) return 0;
  let gone = 0;
  for (const row of going) {
    const done = await act(t().networks.removing(row.name), async () => {
      for (const { id } of running(row)) await networks.disconnect(backend, row.id, { Container: id });
      await networks.remove(backend, row.id);
      return true;
    });
    if (done) gone += 1;
  }
  if (gone > 0)
    say({
      tone: 'good',
      text: going.length === 1 ? t().networks.removed(going[0]!.name) : t().networks.removedMany(gone),
    });
  return gone;
}

/** What is lost with `rows`, as a question. */
export function removal(rows: readonly NetworkRow[]): Question {
  const m = t().networks;
  const used = rows.some((row) => running(row).length > 0);
  const one = rows.length === 1 ? rows[0] : undefined;
  return {
    title: one ? m.removeTitle(one.name) : m.removeManyTitle(rows.length),
    text: used ? `${m.removeText}\n${m.removeUsed}` : m.removeText,
    detail: one ? one.members.map((member) => memberLine(one, member.name)) : rows.map(line),
    action: used ? m.disconnectAndRemove : m.remove,
    danger: true,
  };
}

/** Removes what no running container is on, after saying what that is. */
export async function prune(backend: Backend, rows: readonly NetworkRow[]): Promise<void> {
  const m = t().networks;
  const what = pruning(rows);
  if (what.goes.length === 0) {
    say({ tone: 'info', text: m.pruneNothing });
    return;
  }
  if (!(await confirm(pruneQuestion(what))).yes) return;
  // One by one: the engine's own prune would take what came free since the question too, and nobody was asked about that.
  const { done, kept } = await each(
    what.goes,
    ({ name }) => name,
    ({ id }) => networks.remove(backend, id),
  );
  if (done.length > 0) say({ tone: 'good', text: t().networks.pruned(done.length) });
  for (const { name, why } of kept) say({ tone: 'bad', text: m.stayed(name), detail: why });
}

export function pruneQuestion({ goes, loses }: Pruning): Question {
  const m = t().networks;
  return {
    title: m.pruneTitle(goes.length),
    text: loses.length === 0 ? m.pruneText : `${m.pruneText}\n${m.pruneLoses(loses.join(', '))}`,
    detail: goes.map(({ name }) => name),
    action: m.prune,
    danger: true,
  };
}

function line(row: NetworkRow): string {
  const names = row.members.map(({ name }) => name).join(', ');
  return names === '' ? row.name : t().networks.removeLine(row.name, names);
}

function memberLine(row: NetworkRow, name: string): string {
  return running(row).some((member) => member.name === name) ? t().networks.runs(name) : t().networks.stopped(name);
}
