import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { setLocale } from '$lib/i18n/index.svelte';
import * as api from '$lib/api/daemon';
import { Unreachable } from '$lib/backend/backend';
import { FakeDaemon } from '$lib/backend/fake/daemon/daemon';
import { scene } from '$lib/backend/fake/scenes';
import Around from './testing/Machine.svelte';

afterEach(cleanup);

let daemon: FakeDaemon;
let host: { engine: ReturnType<typeof scene>; daemon: FakeDaemon };
beforeEach(() => {
  const engine = scene('busy');
  daemon = new FakeDaemon(engine);
  host = { engine, daemon };
});

const FILE = { url: 'https://berth.example/berth.tar.gz', sha256: '00ff' };
const NEWER = { version: '9.9.9', date: '2026-11-27', notes: 'https://berth.example/notes', file: FILE };

const look = async () => (await screen.findByRole('button', { name: 'Look now' })).click();

test('says what is known, looks when it is asked, and links to what it found', async () => {
  daemon.updates.published = { newer: NEWER };
  render(Around, { host });
  expect(await screen.findByText('It was not looked for newer ones yet.')).toBeTruthy();
  await look();
  expect(await screen.findByText('Berth 9.9.9 of 2026-11-27 is there')).toBeTruthy();
  const notes = screen.getByRole<HTMLAnchorElement>('link', { name: 'What is new in it' });
  const file = screen.getByRole<HTMLAnchorElement>('link', { name: 'Get it' });
  expect([notes.href, file.href]).toEqual([NEWER.notes, FILE.url]);
  expect(screen.getByText(/sha256 00ff/)).toBeTruthy();
  expect(screen.queryByText('It was not looked for newer ones yet.')).toBeNull();
});

test('a look that fails is told beside what an earlier one found', async () => {
  daemon.updates.published = { newer: { ...NEWER, file: null } };
  await api.lookForUpdates(daemon);
  daemon.updates.published = { why: 'https://berth.example/newest.json answered 500' };
  render(Around, { host });
  expect(await screen.findByText(/There is nothing for this system/)).toBeTruthy();
  await look();
  expect(await screen.findByText('https://berth.example/newest.json answered 500')).toBeTruthy();
  expect(screen.getByText('Berth 9.9.9 of 2026-11-27 is there')).toBeTruthy();
});

test('the newest one says so, and one that looks only when asked says that', async () => {
  daemon.updates.published = {};
  render(Around, { host });
  await look();
  expect(await screen.findByText('This is the newest Berth.')).toBeTruthy();
  cleanup();
  await api.set(daemon, 'updates', 'false');
  render(Around, { host });
  expect(await screen.findByText(/looked for only when you ask/)).toBeTruthy();
});

test('a build that looks nowhere says why, and offers no look', async () => {
  render(Around, { host });
  expect(await screen.findByText(/built without an address/)).toBeTruthy();
  expect(screen.queryByRole('button')).toBeNull();
  cleanup();
  setLocale('zh-CN');
  onTestFinished(() => setLocale('en'));
  render(Around, { host });
  expect(await screen.findByText(/构建时没有指定查找地址./)).toBeTruthy();
});

test('a daemon that refuses to look is told in its words', async () => {
  daemon.updates.published = {};
  const whole = daemon.request.bind(daemon);
  daemon.request = (request) =>
    request.method === 'POST' && request.path === '/updates'
      ? Promise.reject(new Unreachable('the daemon hung up'))
      : whole(request);
  render(Around, { host });
  await look();
  expect(await screen.findByText('What is known of newer versions could not be asked')).toBeTruthy();
  expect(screen.getByText(/the daemon hung up/)).toBeTruthy();
});
