import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it, vi } from 'vitest';
import type { ContainerInspect } from '$lib/api/generated';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { setPrefs } from '$lib/shell/prefs.svelte';
import Around from './testing/Around.svelte';

afterEach(cleanup);

const INSPECT = { Id: 'web', State: { Running: true }, HostConfig: { Memory: 0 } } as ContainerInspect;

it('goes on after an end of the stream that the container outlived, as a quick restart is one', async () => {
  setPrefs({ locale: 'en', theme: 'light', density: 'comfortable' });
  const streams: Stream[] = [];
  const backend = new Scripted({
    '/containers/web/stats': (request) => {
      streams.push(new Stream(request));
      return streams.at(-1)!.answer;
    },
    '/containers/web/top': () => answer(200, { Titles: [], Processes: [] }),
  });
  render(Around, { backend, inspect: INSPECT, gone: false });
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  streams[0]!.end();
  await vi.waitFor(() => expect(streams).toHaveLength(2));
  expect(screen.queryByRole('alert')).toBeNull();

  // And is let go with the page.
  const { signal } = backend.requests.filter(({ path }) => path.startsWith('/containers/web/stats')).at(-1)!;
  cleanup();
  expect(signal!.aborted).toBe(true);
});
