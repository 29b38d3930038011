import { expect, it } from 'vitest';
import type { SettingEntry } from '$lib/api/generated/daemon';
import { answer, Scripted } from '$lib/backend/scripted';
import { Entries } from './entries.svelte';

const entry = (name: string, value: string) =>
  ({ name, value, default: '', is_set: value !== '', description: '', takes_effect: 'at_once' }) as SettingEntry;

type Change = { name: string; value?: string | null };

/** A daemon of two settings; `change` may refuse, late or early, before or after it has kept what was asked. */
async function daemon(change: (asked: Change, keep: () => SettingEntry) => Promise<SettingEntry | [number, string]>) {
  const kept = new Map([
    ['listen', ''],
    ['mirrors', 'a,b,c'],
  ]);
  const backend = new Scripted({
    '/settings': async (request) => {
      if (request.method === 'GET')
        return answer(
          200,
          [...kept].map(([name, value]) => entry(name, value)),
        );
      const asked = JSON.parse(request.body as string) as Change;
      const keep = () => {
        kept.set(asked.name, asked.value ?? '');
        return entry(asked.name, asked.value ?? '');
      };
      const said = await change(asked, keep);
      return Array.isArray(said) ? answer(said[0], { message: said[1] }) : answer(200, said);
    },
  });
  const entries = new Entries(backend);
  await entries.read();
  const value = (name: string) => entries.list.find((one) => one.name === name)?.value;
  return { entries, kept, value };
}

it('shows what was kept although what follows from it failed, and says both', async () => {
  const { entries, value } = await daemon(async (_, keep) => {
    keep();
    return [500, 'there are no certificates'];
  });
  expect(await entries.set('listen', 'tcp://0.0.0.0:2376')).toBe(true);
  expect(value('listen')).toBe('tcp://0.0.0.0:2376');
  expect(entries.refused['listen']).toBe('It is set, but: there are no certificates');
  // The way back to the default is there.
  expect(entries.list.find((one) => one.name === 'listen')?.is_set).toBe(true);
});

it('keeps what was before where nothing was kept', async () => {
  const { entries, value } = await daemon(async () => [500, 'the disk is full']);
  expect(await entries.set('listen', 'tcp://0.0.0.0:2376')).toBe(false);
  expect(value('listen')).toBe('');
  expect(entries.refused['listen']).toBe('the disk is full');
});

it('changes one setting in the order in which it was asked', async () => {
  let begun = 0;
  const waiting: (() => void)[] = [];
  const { entries, kept, value } = await daemon(async (_, keep) => {
    begun += 1;
    await new Promise<void>((go) => waiting.push(go));
    return keep();
  });
  const [first, second] = [entries.set('mirrors', 'b,c'), entries.set('mirrors', 'c')];
  await expect.poll(() => waiting.length).toBe(1);
  expect([begun, entries.standing('mirrors'), entries.saving['mirrors']]).toEqual([1, 'c', true]);
  waiting[0]!();
  await first;
  expect([value('mirrors'), entries.saving['mirrors']]).toEqual(['b,c', true]);
  await expect.poll(() => waiting.length).toBe(2);
  waiting[1]!();
  await second;
  expect([kept.get('mirrors'), value('mirrors'), entries.saving['mirrors']]).toEqual(['c', 'c', undefined]);
});

it('tells changes of these pages from those of others, which end a draft', async () => {
  const { entries, kept } = await daemon(async (_, keep) => keep());
  const before = entries.others['mirrors'] ?? 0;
  await entries.set('mirrors', 'a');
  expect(entries.others['mirrors'] ?? 0).toBe(before);
  kept.set('mirrors', 'z');
  await entries.read();
  expect(entries.others['mirrors']).toBe(before + 1);
  await entries.set('mirrors');
  expect(entries.others['mirrors']).toBe(before + 2);
});

it('forgets a refusal once what is asked for is there', async () => {
  const { entries } = await daemon(async () => [400, 'is no mirror']);
  await entries.set('mirrors', 'x y');
  expect(entries.refused['mirrors']).toBe('is no mirror');
  entries.forgive('mirrors');
  expect(entries.refused['mirrors']).toBeUndefined();
});
