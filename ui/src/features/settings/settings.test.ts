import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { panel, showPanel } from '$lib/shell/panels.svelte';
import { prefs, setPrefs } from '$lib/shell/prefs.svelte';
import Around from './testing/Around.svelte';

beforeEach(() => {
  setPrefs({ locale: 'en', theme: 'system', density: 'comfortable' });
  showPanel(undefined);
});

afterEach(cleanup);

function open(version = () => answer(200, VERSION), time = () => new Date()) {
  render(Around, {
    backend: new Scripted({
      '/events': (request) => new Stream(request).answer,
      '/containers/json': () => answer(200, []),
      '/images/json': () => answer(200, []),
      '/volumes': () => answer(200, { Volumes: [] }),
      '/networks': () => answer(200, []),
      '/info': () => answer(200, { ...INFO, SystemTime: time().toISOString() }),
      '/version': version,
    }),
  });
}

const VERSION = {
  Platform: { Name: 'Berth 0.1.0' },
  Components: [{ Name: 'Berth', Version: '0.1.0' }],
  Version: '28.5.2',
  ApiVersion: '1.51',
  MinAPIVersion: '1.24',
  GitCommit: '',
};
const INFO = {
  OperatingSystem: 'Berth <i>Linux</i>',
  KernelVersion: '6.12',
  Architecture: 'x86_64',
  NCPU: 4,
  MemTotal: 8e9,
  Driver: 'overlay2',
  DockerRootDir: '/var/lib/berth',
  Warnings: ['WARNING: IPv4 forwarding is disabled'],
};

it('sets theme and density at once', async () => {
  open();
  await fireEvent.click(screen.getByRole('radio', { name: 'Dark' }));
  await fireEvent.click(screen.getByRole('radio', { name: 'Compact' }));
  expect(prefs()).toMatchObject({ theme: 'dark', density: 'compact' });
  expect(document.documentElement.dataset).toMatchObject({ theme: 'dark', density: 'compact' });
});

it('speaks the chosen language while it is open', async () => {
  open();
  await fireEvent.change(screen.getByRole('combobox', { name: 'Language' }), { target: { value: 'zh-CN' } });
  await tick();
  expect(screen.getByRole('heading', { name: '设置' })).toBeTruthy();
  expect(screen.getByRole('radio', { name: '深色' })).toBeTruthy();
});

it('shows the shortcuts', async () => {
  open();
  await fireEvent.click(screen.getByRole('button', { name: 'Show the shortcuts' }));
  expect(panel()).toBe('keys');
});

it('says what the engine is, as text, with its warnings', async () => {
  open();
  expect(await screen.findByText('Berth 0.1.0')).toBeTruthy();
  expect(screen.getByText('1.51, from 1.24 on')).toBeTruthy();
  expect(screen.getByText('Berth <i>Linux</i>')).toBeTruthy();
  expect(screen.getByText('WARNING: IPv4 forwarding is disabled')).toBeTruthy();
  expect(screen.getByText('As this computer’s')).toBeTruthy();
});

it('says when the engine’s clock is another', async () => {
  open(undefined, () => new Date(Date.now() - 7_200_000));
  expect(await screen.findByText('2 hours behind this computer’s')).toBeTruthy();
});

it('says in the engine’s words what it does not tell, and asks again', async () => {
  let broken = true;
  open(() => (broken ? answer(500, { message: 'the store is broken' }) : answer(200, VERSION)));
  expect(await screen.findByText('the store is broken')).toBeTruthy();
  broken = false;
  await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(await screen.findByText('Berth 0.1.0')).toBeTruthy();
  await waitFor(() => expect(screen.queryByText('the store is broken')).toBeNull());
});
