import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import App from '../../App.svelte';
import { Unreachable } from '$lib/backend/backend';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { showPanel } from './panels.svelte';
import { setPrefs } from './prefs.svelte';

const shown = vi.hoisted(() => ({ fails: false }));
vi.mock('./views', async () => ({
  fileOf: (view: string) => (view === 'nowhere' ? undefined : view),
  ready: () => undefined,
  load: async () => {
    const { default: Probe } = await import('./testing/Probe.svelte');
    return (anchor: never, props: object) => Probe(anchor, { ...props, fails: () => shown.fails } as never);
  },
}));

beforeEach(() => {
  location.hash = '';
  shown.fails = false;
  setPrefs({ locale: 'en', theme: 'light', density: 'comfortable' });
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterEach(() => {
  showPanel(undefined);
  cleanup();
});

/** The pages over an engine that can be turned off and on. */
function open(up = true) {
  const state = { up, streams: [] as Stream[] };
  const when = <T>(make: () => T) => {
    if (!state.up) throw new Unreachable('connection refused');
    return make();
  };
  const named = (Id: string, name: string) => ({
    Id,
    Names: [`/${name}`],
    Image: 'nginx',
    Labels: {},
    State: 'running',
  });
  const backend = new Scripted({
    '/events': (request) =>
      when(() => {
        state.streams.push(new Stream(request));
        return state.streams.at(-1)!.answer;
      }),
    '/containers/json': () => when(() => answer(200, [named('c1', 'web-server'), named('c2', '<b>bold</b>')])),
    '/images/json': () => when(() => answer(200, [])),
    '/volumes': () => when(() => answer(200, { Volumes: [], Warnings: null })),
    '/networks': () => when(() => answer(200, [])),
    '/info': () => when(() => answer(200, { SystemTime: new Date().toISOString(), Name: 'berth' })),
  });
  render(App, { host: { engine: backend } });
  return { state, backend };
}

const navigation = () => screen.getByRole('navigation', { name: 'Pages' });

describe('without an engine', () => {
  it('says what is missing, why, and what to run; and shows the page when it is there', async () => {
    const { state } = open(false);
    const heading = await screen.findByRole('heading', { name: 'There is no answer from the engine' });
    expect(heading).toBeTruthy();
    expect(screen.getByText('connection refused')).toBeTruthy();
    expect(screen.getByText('berth up')).toBeTruthy();
    state.up = true;
    await fireEvent.click(screen.getByRole('button', { name: 'Try now' }));
    expect(await screen.findByRole('heading', { name: 'Probe' })).toBeTruthy();
  });

  it('shows the settings nevertheless', async () => {
    location.hash = '#/settings';
    open(false);
    expect(await screen.findByRole('heading', { name: 'Probe' })).toBeTruthy();
  });

  it('keeps what was known when it is lost', async () => {
    const { state } = open();
    await within(navigation()).findByText('2');
    state.up = false;
    state.streams[0]!.fail(new Unreachable('broken pipe'));
    expect(await screen.findByText('The engine does not answer', {}, { timeout: 3000 })).toBeTruthy();
    expect(screen.getByRole('heading', { name: 'Probe' })).toBeTruthy();
    expect(within(navigation()).getByText('2')).toBeTruthy();
    state.up = true;
    await fireEvent.click(screen.getByRole('button', { name: 'Try now' }));
    await waitFor(() => expect(screen.queryByText('The engine does not answer')).toBeNull());
  });
});

describe('a view', () => {
  it('that fails leaves the others, and can be tried again', async () => {
    shown.fails = true;
    open();
    expect(await screen.findByRole('heading', { name: 'This page failed' })).toBeTruthy();
    expect(screen.getByText('the probe fails')).toBeTruthy();
    expect(navigation()).toBeTruthy();
    shown.fails = false;
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('heading', { name: 'Probe' })).toBeTruthy();
  });

  it('that there is not is said to be none', async () => {
    location.hash = '#/nowhere';
    open();
    expect(await screen.findByRole('heading', { name: 'There is no such page' })).toBeTruthy();
  });
});

describe('the frame', () => {
  it('speaks another language at once', async () => {
    open();
    await screen.findByRole('heading', { name: 'Probe' });
    expect(within(navigation()).getByText('Images')).toBeTruthy();
    setPrefs({ locale: 'zh-CN' });
    await tick();
    expect(within(screen.getByRole('navigation', { name: '页面' })).getByText('镜像')).toBeTruthy();
    expect(document.documentElement.lang).toBe('zh-CN');
  });

  it('wears the theme and the density that are asked for', () => {
    open();
    setPrefs({ theme: 'dark', density: 'compact' });
    expect(document.documentElement.dataset).toMatchObject({ theme: 'dark', density: 'compact' });
    expect(JSON.parse(localStorage.getItem('berth.prefs')!)).toMatchObject({ theme: 'dark', density: 'compact' });
  });

  it('marks the page where one is', async () => {
    location.hash = '#/images';
    open();
    await waitFor(() =>
      expect(within(navigation()).getByRole('link', { current: 'page' }).getAttribute('href')).toBe('#/images'),
    );
  });
});

describe('the palette', () => {
  async function opened() {
    open();
    await screen.findByRole('heading', { name: 'Probe' });
    await fireEvent.keyDown(document.body, { key: 'k', ctrlKey: true });
    return screen.findByRole('combobox', { hidden: true });
  }
  const options = () => screen.getAllByRole('option', { hidden: true });

  it('finds a container by letters of its name and goes there', async () => {
    const field = await opened();
    await waitFor(() => expect(within(navigation()).getByText('2')).toBeTruthy());
    await fireEvent.input(field, { target: { value: 'wbs' } });
    expect(options()[0]!.textContent).toContain('web-server');
    await fireEvent.keyDown(field, { key: 'Enter' });
    await waitFor(() => expect(location.hash).toBe('#/containers/c1'));
    expect(screen.queryByRole('combobox', { hidden: true })).toBeNull();
  });

  it('moves the choice with the arrows, around the ends', async () => {
    const field = await opened();
    const chosen = () => options().findIndex((one) => one.getAttribute('aria-selected') === 'true');
    expect(chosen()).toBe(0);
    await fireEvent.keyDown(field, { key: 'ArrowUp' });
    expect(chosen()).toBe(options().length - 1);
    await fireEvent.keyDown(field, { key: 'ArrowDown' });
    await fireEvent.keyDown(field, { key: 'ArrowDown' });
    expect(chosen()).toBe(1);
    expect(field.getAttribute('aria-activedescendant')).toBe(options()[1]!.id);
  });

  it('shows names with markup in them as text', async () => {
    const field = await opened();
    await fireEvent.input(field, { target: { value: 'bold' } });
    await waitFor(() => expect(options()[0]!.querySelector('.title')!.textContent).toBe('<b>bold</b>'));
    expect(options()[0]!.querySelector('b')).toBeNull();
  });

  it('says when nothing is found', async () => {
    const field = await opened();
    await fireEvent.input(field, { target: { value: 'zzzz' } });
    expect(screen.getByText('Nothing is called “zzzz”.')).toBeTruthy();
  });
});

it('goes to places by keys in a row, and lists them under ?', async () => {
  open();
  await screen.findByRole('heading', { name: 'Probe' });
  await fireEvent.keyDown(document.body, { key: 'g' });
  await fireEvent.keyDown(document.body, { key: 'v' });
  await waitFor(() => expect(location.hash).toBe('#/volumes'));
  await fireEvent.keyDown(document.body, { key: '?', shiftKey: true });
  const help = await screen.findByRole('dialog', { hidden: true });
  expect(within(help).getByText('Go to Volumes')).toBeTruthy();
});

it('tells of a failure that nothing dealt with', async () => {
  open();
  dispatchEvent(new ErrorEvent('error', { error: new Error('a button is broken') }));
  expect(await screen.findByText('a button is broken')).toBeTruthy();
  expect(screen.getByText('Something in these pages failed')).toBeTruthy();
});
