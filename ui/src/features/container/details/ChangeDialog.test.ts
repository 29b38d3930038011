import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import * as containers from '$lib/api/containers';
import type { Backend } from '$lib/backend/backend';
import { ManualClock } from '$lib/backend/fake/core/clock';
import type { FakeEngine } from '$lib/backend/fake/engine';
import { scene } from '$lib/backend/fake/scenes';
import { setPrefs } from '$lib/shell/prefs.svelte';
import ChangeDialog from './ChangeDialog.svelte';

const given = vi.hoisted(() => ({ backend: undefined as unknown }));
vi.mock('$lib/live/engine', () => ({ engine: () => given.backend as Backend }));

let engine: FakeEngine;
beforeEach(() => {
  setPrefs({ locale: 'en' });
  given.backend = engine = scene('busy', { clock: new ManualClock() });
});
afterEach(cleanup);

it('goes on from the new name when the limits were refused', async () => {
  const inspect = await containers.inspect(engine, 'shop-db-1');
  const onclose = vi.fn();
  render(ChangeDialog, { inspect, onclose });
  const set = (label: RegExp, value: string) => fireEvent.input(screen.getByLabelText(label), { target: { value } });
  const apply = () => fireEvent.submit(document.querySelector('form')!);
  await set(/^Name/, 'renamed');
  await set(/^Memory/, '600m');
  engine.fail({ path: /\/update$/, status: 500, message: 'too much', times: 1 });
  await apply();
  await screen.findByText(/too much/);
  expect((await containers.inspect(engine, inspect.Id)).Name).toBe('/renamed');

  await apply();
  await waitFor(() => expect(onclose).toHaveBeenCalledOnce());
  expect((await containers.inspect(engine, inspect.Id)).HostConfig.Memory).toBe(600 * 1024 ** 2);
});
