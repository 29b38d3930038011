import * as builds from '$lib/api/builds';
import type { Build } from '$lib/api/builds';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { confirm } from '$lib/kit/confirm.svelte';
import { each } from '$lib/kit/each';
import { absolute } from '$lib/kit/format';
import { say } from '$lib/kit/toasts.svelte';

/** One that runs is its client's to end. */
export function removable({ Status }: Build): boolean {
  return Status !== 'running';
}

/** Asks, and has the engine forget the builds; returns those that are gone. */
export async function remove(backend: Backend, of: readonly Build[]): Promise<Build[]> {
  const m = t().builds;
  const going = of.filter(removable);
  if (going.length === 0) return [];
  const { yes } = await confirm({
    title: m.removeTitle(going.length),
    text: m.removeText,
    detail: going.map(({ Name, CreatedAt }) => m.removeLine(Name, absolute(CreatedAt))),
    action: m.remove,
    danger: true,
  });
  if (!yes) return [];
  const { done, kept } = await each(
    going,
    ({ Name }) => Name,
    ({ Ref }) => builds.remove(backend, Ref),
  );
  if (done.length > 0) say({ tone: 'good', text: m.removed(done.length) });
  for (const { name, why } of kept) say({ tone: 'bad', text: m.kept(name), detail: why });
  return done;
}
