import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { say } from '$lib/kit/toasts.svelte';
import { ContainerTerminal } from './terminal.svelte';

/** How many go on out of sight: each holds a process in its container, and what it wrote in this window. */
const MOST = 8;

/** Terminals whose page was left, by container, the one left longest ago first. They are of the window, as transfers are. */
const kept = new Map<string, ContainerTerminal>();

/** The terminal of a container as it was left, or one in which nothing was opened yet. */
export function take(backend: Backend, container: { Id: string; Name: string }): ContainerTerminal {
  const known = kept.get(container.Id);
  kept.delete(container.Id);
  return known ?? new ContainerTerminal(backend, container.Id, container.Name.replace(/^\//, ''));
}

/** Its page was left: it goes on if something runs in it. One too many makes way, and the person is told what ended by that. */
export function leave(terminal: ContainerTerminal): void {
  if (!terminal.live) {
    terminal.close();
    return;
  }
  kept.get(terminal.container)?.close();
  kept.set(terminal.container, terminal);
  if (kept.size <= MOST) return;
  const all = [...kept.values()];
  const going = all.find(({ live }) => !live) ?? all[0]!;
  if (going.live) say({ tone: 'info', text: t().container.terminal.madeWay(going.name, MOST) });
  kept.delete(going.container);
  going.close();
}

/** Those in which something runs, out of sight. */
export function going(): ContainerTerminal[] {
  return [...kept.values()].filter(({ live }) => live);
}

/** Ends all of them, and what runs in them. */
export function endAll(): void {
  for (const terminal of kept.values()) terminal.close();
  kept.clear();
}
