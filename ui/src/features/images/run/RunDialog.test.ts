import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import type { Backend } from '$lib/backend/backend';
import { ManualClock } from '$lib/backend/fake/core/clock';
import { scene } from '$lib/backend/fake/scenes';
import { setPrefs } from '$lib/shell/prefs.svelte';
import RunDialog from './RunDialog.svelte';

const given = vi.hoisted(() => ({ backend: undefined as unknown }));
const NONE = vi.hoisted(() => ({ list: [] }));
const listed = vi.hoisted(() => ({ list: [] as unknown[] }));
vi.mock('$lib/live/engine', () => ({ engine: () => given.backend as Backend }));
vi.mock('$lib/live/live.svelte', () => ({
  live: () => ({ containers: listed, images: NONE, networks: NONE, volumes: NONE }),
}));

beforeEach(() => {
  setPrefs({ locale: 'en' });
  location.hash = '#/images';
});
afterEach(() => {
  cleanup();
  listed.list = [];
});

const called = async (name: string) =>
  (await containers.list(given.backend as Backend, { all: true })).filter((one) => one.Names.includes(`/${name}`));

/** Starts nothing until it is let go on. */
function gated() {
  const engine = scene('busy', { clock: new ManualClock() });
  const gate = { reached: false, removed: false, refuses: false, open: () => {} };
  const opened = new Promise<void>((resolve) => (gate.open = resolve));
  given.backend = {
    request: async (request) => {
      if (request.path.endsWith('/start')) {
        gate.reached = true;
        await opened;
        if (gate.refuses) throw new Refused(400, 'no-such-program: not found');
      }
      const answer = await engine.request(request);
      if (request.method === 'DELETE') gate.removed = true;
      return answer;
    },
    upgrade: (request) => engine.upgrade(request),
  } satisfies Backend;
  return gate;
}

async function run() {
  const image = (await containers.inspect(given.backend as Backend, 'shop-db-1')).Config.Image;
  const onclose = vi.fn(() => view.unmount());
  const view = render(RunDialog, { image, onclose });
  await fireEvent.input(screen.getByPlaceholderText('web'), { target: { value: 'called-off' } });
  await fireEvent.submit(document.querySelector('form')!);
  return onclose;
}

it('leaves nothing behind and stays where it is when it is called off during the start', async () => {
  const gate = gated();
  const onclose = await run();
  await waitFor(() => expect(gate.reached).toBe(true));
  expect(await called('called-off')).toHaveLength(1);
  await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  gate.open();
  await waitFor(() => expect(gate.removed).toBe(true));
  expect(await called('called-off')).toEqual([]);
  expect(onclose).toHaveBeenCalledOnce();
  expect(location.hash).toBe('#/images');
});

it('goes to the container that it started', async () => {
  const gate = gated();
  const onclose = await run();
  gate.open();
  await waitFor(() => expect(onclose).toHaveBeenCalledOnce());
  const [made] = await called('called-off');
  await waitFor(() => expect(location.hash).toContain(made!.Id));
});

it('does not take a container of its own for one in the way', async () => {
  const gate = gated();
  gate.refuses = true;
  await run();
  await waitFor(() => expect(gate.reached).toBe(true));
  // As the list has it until it hears of the removal.
  listed.list = await called('called-off');
  gate.open();
  await waitFor(() => expect(gate.removed).toBe(true));
  await fireEvent.input(screen.getByLabelText('Command'), { target: { value: 'sh' } });
  expect(screen.queryByText('A container has this name')).toBeNull();
});
