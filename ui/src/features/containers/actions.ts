import { Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import { Unreachable, type Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { confirm } from '$lib/kit/confirm.svelte';
import { say, words } from '$lib/kit/toasts.svelte';
import type { Live } from '$lib/live/live.svelte';
import { busy } from './busy.svelte';
import { stages } from './order';
import { pool } from './pool';
import { allowed, isAlive, type Row, type Verb } from './rows';

/** What actions are done with. */
export type Desk = { backend: Backend; live: Pick<Live, 'containers' | 'refresh'> };

/** What can be done to many at once, without asking for more. */
export type Plain = Exclude<Verb, 'rename'>;

export type Failure = { row: Row; error: unknown };

const AT_ONCE = 8;
/** A toast is no report: what more than these say is the same as a rule. */
const TOLD = 4;

/** Those of `rows` that `verb` can be done to now. */
export function fit(desk: Desk, verb: Verb, rows: readonly Row[]): Row[] {
  const shown = desk.live.containers.list;
  return rows.filter((row) => allowed(verb, row.state) && busy.verb(row.id, shown) === undefined);
}

/** Does `verb` to those of `rows` that it fits, and tells what failed. Removing asks first. */
export async function act(desk: Desk, verb: Plain, rows: readonly Row[]): Promise<void> {
  const fitting = fit(desk, verb, rows);
  if (fitting.length === 0) return;
  let volumes = false;
  if (verb === 'remove') {
    const verdict = await confirm(removal(fitting));
    if (!verdict.yes) return;
    volumes = verdict.option;
  }
  tell(verb, fitting.length, await carryOut(desk, verb, fitting, { volumes }));
}

/** What is lost with `rows`, as a question. */
export function removal(rows: readonly Row[]) {
  const m = t().containers.remove;
  const detail = rows.flatMap((row) => [
    ...(isAlive(row.state) ? [m.killed(row.name)] : []),
    ...(row.anonymousVolumes.length > 0 ? [m.anonymous(row.name, row.anonymousVolumes.length)] : []),
  ]);
  const plain = rows.filter((row) => !isAlive(row.state) && row.anonymousVolumes.length === 0);
  if (rows.length > 1) detail.push(...plain.map((row) => row.name));
  const volumes = new Set(rows.flatMap((row) => row.anonymousVolumes)).size;
  return {
    title: m.title(rows.length, rows[0]!.name),
    text: `${m.text(rows.length)}\n${m.keeps}`,
    detail,
    action: m.action(rows.length),
    danger: true,
    option: volumes > 0 ? { label: m.volumes(volumes), value: false } : undefined,
  };
}

/** Does `verb` to all of `rows`, in the order that their project wants; returns what failed. */
export async function carryOut(
  desk: Desk,
  verb: Plain,
  rows: readonly Row[],
  { volumes = false } = {},
): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (const row of rows) busy.begin(row.id, verb);
  let away: unknown;
  for (const stage of stages(rows, verb)) {
    await pool(stage, AT_ONCE, async (row) => {
      try {
        // With the engine away the rest would fail the same way, one after the other.
        if (away !== undefined) throw away;
        await once(desk.backend, verb, row, volumes);
        busy.succeeded(row.id, desk.live.containers.list);
      } catch (error) {
        if (error instanceof Unreachable) away = error;
        busy.failed(row.id);
        failures.push({ row, error });
      }
    });
  }
  // Not everything that was done makes an event: to start what runs is nothing to the engine.
  if (away === undefined) desk.live.refresh('containers');
  return failures;
}

async function once(backend: Backend, verb: Plain, row: Row, volumes: boolean): Promise<void> {
  switch (verb) {
    case 'start':
      await containers.start(backend, row.id);
      return;
    case 'stop':
      await containers.stop(backend, row.id);
      return;
    case 'restart':
      return containers.restart(backend, row.id);
    case 'pause':
      return containers.pause(backend, row.id);
    case 'resume':
      return containers.unpause(backend, row.id);
    case 'kill':
      return containers.kill(backend, row.id);
    case 'remove':
      return remove(backend, row, volumes);
  }
}

async function remove(backend: Backend, row: Row, volumes: boolean): Promise<void> {
  try {
    // Only what the person was told to run is killed: one that was started since is left alone.
    await containers.remove(backend, row.id, { force: isAlive(row.state), volumes });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

export function isGone(error: unknown): boolean {
  return error instanceof Refused && error.status === 404;
}

/** Tells what failed of `verb` on `of` containers, in one toast. */
export function tell(verb: Verb, of: number, failures: readonly Failure[]): void {
  const m = t().containers;
  const [first] = failures;
  if (first === undefined) return;
  if (failures.length > 1) {
    const text = m.someFailed[verb](failures.length, of);
    const oneReason = failures.every(({ error }) => error instanceof Unreachable);
    say({ tone: 'bad', text, detail: oneReason ? words(first.error) : reasons(failures) });
  } else if (isGone(first.error)) {
    say({ tone: 'warn', text: m.gone(first.row.name), detail: m.goneText });
  } else {
    say({ tone: 'bad', text: m.failed[verb](first.row.name), detail: words(first.error) });
  }
}

function reasons(failures: readonly Failure[]): string {
  const m = t().containers;
  const told = failures.slice(0, TOLD).map(({ row, error }) => m.failedOne(row.name, words(error)));
  if (failures.length > TOLD) told.push(m.remove.more(failures.length - TOLD));
  return told.join('\n');
}
