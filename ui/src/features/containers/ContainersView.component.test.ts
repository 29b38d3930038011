import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { setSkew } from '$lib/kit/clock.svelte';
import { setPrefs } from '$lib/shell/prefs.svelte';
import { idOf, summary } from './sample';
import Around from './testing/Around.svelte';

const HOUR = 3_600_000;

beforeEach(() => {
  setPrefs({ locale: 'en', theme: 'light', density: 'comfortable' });
  // Room for every column.
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(1400);
});

afterEach(() => {
  cleanup();
  setSkew(0);
});

/** The view over an engine whose clock is `ahead`; `held` holds its answers with the list of containers back. */
function open(list = [summary('web')], ahead = 0) {
  const state = { list, held: undefined as Promise<void> | undefined };
  const backend = new Scripted({
    '/events': (request) => new Stream(request).answer,
    '/containers/json': async () => {
      await state.held;
      return answer(200, state.list);
    },
    '/images/json': () => answer(200, []),
    '/volumes': () => answer(200, { Volumes: [] }),
    '/networks': () => answer(200, []),
    '/info': () => answer(200, { SystemTime: new Date(Date.now() + ahead).toISOString() }),
    [`/containers/${idOf('web')}/stats`]: () => answer(404, { message: 'not measured here' }),
    [`/containers/${idOf('web')}/stop`]: () => answer(204, undefined),
  });
  render(Around, { backend });
  return { state, backend };
}

it('shows a container as being stopped until a list knows what came of it', async () => {
  const { state, backend } = open();
  const stop = await screen.findByRole('button', { name: /^Stop/ });
  let release!: () => void;
  state.held = new Promise((done) => (release = done));
  await fireEvent.click(stop);
  // The engine has answered, and the list has been asked for again: it does not come yet.
  await vi.waitFor(() => expect(backend.count('/containers/json')).toBe(2));
  await tick();
  expect(screen.getByText('Stopping…')).toBeTruthy();
  state.list = [summary('web', { State: 'exited', Status: 'Exited (0) 1 second ago' })];
  release();
  await screen.findByText(/^Exited/);
  expect(screen.queryByText('Stopping…')).toBeNull();
});

it.each([-2 * HOUR, 2 * HOUR])(
  'tells by the engine’s clock how old a container is, be it %i ms ahead',
  async (ahead) => {
    const created = Math.floor((Date.now() + ahead - 3 * HOUR) / 1000);
    open([summary('web', { Created: created })], ahead);
    expect(await screen.findByText('3 hours ago')).toBeTruthy();
  },
);
