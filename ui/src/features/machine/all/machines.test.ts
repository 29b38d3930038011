import { describe, expect, it } from 'vitest';
import type { Snapshot } from '$lib/api/generated/daemon';
import type { Machines } from '$lib/backend/host';
import { All, allOf } from './machines.svelte';

const snapshot = (name: string): Snapshot => ({ name, made_at: 1, size: 2, held: 1 });

/** Machines whose answers about snapshots come when they are told to. */
function slow() {
  const asked: { machine: string; answer: (of: Snapshot[]) => void; fail: (why: Error) => void }[] = [];
  const snapshots = (machine: string) =>
    new Promise<Snapshot[]>((answer, fail) => void asked.push({ machine, answer, fail }));
  return { asked, machines: { snapshots } as Partial<Machines> as Machines };
}

describe('the snapshots that are looked at', () => {
  it('are never those of another machine, in whatever order answers come', async () => {
    const { asked, machines } = slow();
    const all = new All(machines);
    const first = all.lookAt('a');
    asked[0]!.answer([snapshot('before')]);
    await first;
    expect(all.snapshots).toEqual([snapshot('before')]);

    const back = all.lookAt('a');
    const other = all.lookAt('b');
    expect(all.snapshots).toBeUndefined();
    asked[2]!.answer([snapshot('of-b')]);
    await other;
    asked[1]!.answer([snapshot('late')]);
    await back;
    expect(all.snapshots).toEqual([snapshot('of-b')]);

    const failing = all.lookAt('a');
    const again = all.lookAt('b');
    asked[4]!.answer([]);
    await again;
    asked[3]!.fail(new Error('of a'));
    await failing;
    expect([all.snapshots, all.snapshotsFailure]).toEqual([[], undefined]);
  });

  it('stay where they are while the same machine is looked at again', async () => {
    const { asked, machines } = slow();
    const all = new All(machines);
    const first = all.lookAt('a');
    asked[0]!.answer([snapshot('one')]);
    await first;
    void all.lookAt('a');
    expect(all.snapshots).toEqual([snapshot('one')]);
  });
});

describe('what is done to a machine', () => {
  it('is known to whoever comes back to the page', async () => {
    const { machines } = slow();
    machines.list = () => Promise.resolve({ shown: 'a', machines: [], unreadable: [{ name: 'b', reason: '' }] });
    let end!: () => void;
    const copied = allOf(machines).do('Copying…', () => new Promise<void>((done) => (end = done)));
    expect(allOf(machines).doing).toBe('Copying…');
    expect(await allOf(machines).do('More', () => Promise.resolve())).toBeUndefined();
    end();
    await copied;
    expect(allOf(machines).doing).toBeUndefined();
    expect(allOf(machines).names).toEqual(['b']);
  });
});
