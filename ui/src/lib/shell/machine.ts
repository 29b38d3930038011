import type { Verb } from '$lib/api/daemon';
import { nameOf } from '$lib/api/names';
import { Unreachable } from '$lib/backend/backend';
import type { Desktop } from '$lib/backend/host';
import { t } from '$lib/i18n/index.svelte';
import { sentence } from '$lib/i18n/sentence.svelte';
import { act } from '$lib/kit/act';
import { confirm } from '$lib/kit/confirm.svelte';
import { duration } from '$lib/kit/format';
import { calledOff, say, words } from '$lib/kit/toasts.svelte';
import { isAlive } from '$lib/live/alive';
import type { Live } from '$lib/live/live.svelte';
import type { Machine } from '$lib/live/machine.svelte';
import { go, link, place } from './route.svelte';

/** Where the way of a start, and its failure, can be seen already. */
const TELLING = ['machine', 'first', 'troubleshooting'];

export async function startMachine(machine: Machine): Promise<void> {
  await settle(machine, 'up');
}

/** Starts what failed: anew, where it is still there and takes no start. */
export async function tryMachine(machine: Machine, live: Live): Promise<void> {
  await (machine.stranded ? restartMachine(machine, live) : startMachine(machine));
}

/** Asks first if anything ends by it. */
export async function stopMachine(machine: Machine, live: Live): Promise<void> {
  if (await agreed('stop', machine, live)) await settle(machine, 'down');
}

/** Asks first if anything ends by it. */
export async function restartMachine(machine: Machine, live: Live): Promise<void> {
  if (await agreed('restart', machine, live)) await settle(machine, 'restart');
}

export async function openTerminal(desktop: Desktop): Promise<void> {
  await act(t().machine.doing.terminal, () => desktop.openTerminal());
}

/** Rejects when it could not be asked for; how it came out is told where the person is, and on its own page by that. */
export async function resetMachine(machine: Machine, keepVolumes: boolean): Promise<void> {
  const here = () => place().view === 'troubleshooting';
  const to = { label: t().machine.action.troubleshoot, run: () => go(link('troubleshooting')) };
  try {
    const last = await machine.reset(keepVolumes);
    if (last === undefined || here()) return;
    const m = t().troubleshooting;
    const outcome = last.reset?.outcome;
    if (outcome === 'done' && last.failure === null) say({ tone: 'good', text: keepVolumes ? m.doneKeep : m.done });
    else if (outcome === 'done') say({ tone: 'bad', text: m.ends.done, detail: last.failure?.cause, action: to });
    else say({ tone: 'bad', text: m.ends[outcome ?? 'incomplete'], detail: last.failure?.cause, action: to });
  } catch (error) {
    if (calledOff(error)) return;
    if (here()) throw error;
    say({ tone: 'bad', text: t().troubleshooting.failed, detail: daemonWords(error), action: to });
  }
}

async function agreed(verb: 'stop' | 'restart', machine: Machine, live: Live): Promise<boolean> {
  const m = t().machine.ask;
  const known = live.connection === 'connected' && live.containers.loaded;
  const ends = live.shown.filter((one) => isAlive(one.State));
  // What only starts has nothing to lose; what failed and is still there may hold everything it held.
  if (machine.phase !== 'running' && !machine.alive) return true;
  if (known && ends.length === 0) return true;
  const { yes } = await confirm({
    title: m[verb],
    text: (known ? m.ends(ends.length) : m.unknown) + (verb === 'stop' ? m.keptStop : m.keptRestart),
    detail: known ? ends.map((one) => nameOf(one)) : [],
    action: t().machine.action[verb],
    danger: true,
  });
  return yes;
}

async function settle(machine: Machine, verb: Verb): Promise<void> {
  try {
    const last = await machine.change(verb);
    if (last === undefined || TELLING.includes(place().view)) return;
    const m = t().machine;
    if (last.phase === 'failed') {
      say({
        tone: 'bad',
        text: m.failed(sentence(last.failure?.cause ?? '')),
        action: { label: m.action.page, run: () => go(link('machine')) },
      });
    } else if (last.phase === 'running') say({ tone: 'good', text: m.started(duration(last.start_milliseconds ?? 0)) });
    else if (last.phase === 'stopped') say({ tone: 'good', text: m.stopped });
  } catch (error) {
    if (calledOff(error)) return;
    say({ tone: 'bad', text: t().kit.failed(t().machine.doing[verb]), detail: daemonWords(error) });
  }
}

/** What went wrong between the pages and the daemon. */
export function daemonWords(error: unknown): string {
  return error instanceof Unreachable ? t().machine.unreachable(sentence(error.message)) : words(error);
}
