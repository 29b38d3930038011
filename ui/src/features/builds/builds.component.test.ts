import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Build, BuildInspect } from '$lib/api/builds';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { setPrefs } from '$lib/shell/prefs.svelte';
import Around from './testing/Around.svelte';
import { build, inspected, vertex } from './testing/sample';

beforeEach(() => {
  setPrefs({ locale: 'en', theme: 'light', density: 'comfortable' });
  // Room for every column.
  vi.spyOn(HTMLElement.prototype, 'clientWidth', 'get').mockReturnValue(1400);
});

afterEach(cleanup);

const LIST = '/berth/builds';
const ENGINE = {
  '/events': (request: object) => new Stream(request).answer,
  '/containers/json': () => answer(200, []),
  '/images/json': () => answer(200, [{ Id: build().ImageID, RepoTags: ['app:latest'], Labels: null }]),
  '/volumes': () => answer(200, { Volumes: [] }),
  '/networks': () => answer(200, []),
  '/info': () => answer(200, { SystemTime: new Date().toISOString() }),
};

function listed(state: { list: Build[]; status?: number }) {
  const backend = new Scripted({
    ...ENGINE,
    [LIST]: () => (state.status ? answer(state.status, { message: 'words of it' }) : answer(200, state.list)),
  });
  render(Around, { backend });
  return backend;
}

it('follows a build that runs to its end', async () => {
  const state = { list: [build({ Status: 'running', CompletedAt: null, ImageID: '' })] };
  listed(state);
  await screen.findByText('Running', { selector: '.status span' });
  expect(screen.queryByRole('link', { name: 'app:latest' })).toBeNull();
  state.list = [build()];
  await screen.findByText('Completed', { selector: '.status span' });
  expect(screen.getByRole('link', { name: 'app:latest' }).getAttribute('href')).toBe('#/images/app%3Alatest');
  expect(screen.getByText('10s')).toBeTruthy();
});

it('says what is missing on an engine without a history, and asks it no more', async () => {
  const backend = listed({ list: [], status: 404 });
  await screen.findByText('This engine keeps no history of builds');
  expect(screen.getByRole('link', { name: 'Show the cache' }).getAttribute('href')).toBe('#/builds?show=cache');
  const asked = backend.count(LIST);
  await vi.waitFor(() => expect(backend.count('/info')).toBeGreaterThan(0));
  expect(backend.count(LIST)).toBe(asked);
});

it('shows what it knew while the engine refuses, and why', async () => {
  const state: { list: Build[]; status?: number } = { list: [build()] };
  const backend = listed(state);
  await screen.findByRole('link', { name: 'app' });
  state.status = 500;
  const before = backend.count(LIST);
  document.dispatchEvent(new Event('visibilitychange'));
  await vi.waitFor(() => expect(backend.count(LIST)).toBeGreaterThan(before));
  await screen.findByText(/words of it/);
  expect(screen.getByRole('link', { name: 'app' })).toBeTruthy();
});

function opened(of: BuildInspect, logs: (path: string) => string) {
  const backend = new Scripted({
    ...ENGINE,
    [`${LIST}/ref1`]: () => answer(200, of),
    [`${LIST}/ref1/logs`]: (request) => {
      const stream = new Stream(request);
      stream.write(new TextEncoder().encode(logs(request.path)));
      stream.end();
      return stream.answer;
    },
  });
  render(Around, { backend, rest: ['ref1'] });
  return backend;
}

it('opens the step that failed with what it wrote, and others when they are asked for', async () => {
  const failed = vertex('[2/2] RUN make', 100, 9000, { Error: 'exit code: 2', Digest: 'sha256:make' });
  opened(
    inspected([vertex('[1/2] FROM x', 0, 90, { Digest: 'sha256:from' }), failed, vertex('exporting to image')], {
      Status: 'error',
      Error: 'failed to solve: exit code: 2',
      ImageID: '',
    }),
    (path) => (path.includes('make') ? 'main.c: \x1b[31mno such file\x1b[0m\n' : ''),
  );
  const button = await screen.findByRole('button', { name: /failed.*RUN make/ });
  expect(button.getAttribute('aria-expanded')).toBe('true');
  await screen.findByText('no such file');
  // Said above already.
  expect(screen.getAllByText(/exit code: 2/)).toHaveLength(1);

  const other = screen.getByRole('button', { name: /done.*FROM x/ });
  expect(other.getAttribute('aria-expanded')).toBe('false');
  await fireEvent.click(other);
  await screen.findByText('It wrote nothing.');
  await fireEvent.click(button);
  expect(screen.queryByText('no such file')).toBeNull();
  // What never ran has nothing to open.
  expect(screen.queryByRole('button', { name: /exporting/ })).toBeNull();
  expect(screen.getByText('exporting to image').closest('li')!.textContent).toContain('not run');

  await fireEvent.click(screen.getByRole('button', { name: 'Show the step' }));
  expect(document.activeElement).toBe(button);
});

it('has nothing to remove while a build runs', async () => {
  opened(inspected([vertex('RUN make', 0)], { Status: 'running', CompletedAt: null, ImageID: '' }), () => '');
  const remove = await screen.findByRole<HTMLButtonElement>('button', { name: 'Remove' });
  expect(remove.disabled).toBe(true);
  expect(remove.title).toBe('A build that runs cannot be removed');
});
