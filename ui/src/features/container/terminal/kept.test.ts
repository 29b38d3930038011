import { beforeEach, expect, it } from 'vitest';
import { dismiss, toasts } from '$lib/kit/toasts.svelte';
import { Scripted } from '$lib/backend/scripted';
import { endAll, going, leave, take } from './kept';
import { Session } from './session.svelte';
import type { ContainerTerminal } from './terminal.svelte';

const backend = new Scripted({});
const closed = new Set<string>();

beforeEach(() => {
  endAll();
  closed.clear();
  for (const { id } of toasts()) dismiss(id);
});

/** A terminal of the container `name` in which something runs. */
function opened(name: string): ContainerTerminal {
  const terminal = take(backend, { Id: `id-${name}`, Name: `/${name}` });
  const session = new Session(backend, terminal.container, { kind: 'shell' }, { rows: 24, columns: 80 });
  session.stage = { at: 'open' };
  const close = session.close.bind(session);
  session.close = () => {
    closed.add(name);
    close();
  };
  terminal.session = session;
  return terminal;
}

const end = (terminal: ContainerTerminal) => (terminal.session!.stage = { at: 'ended', code: 0 });
const names = () => going().map(({ name }) => name);

it('gives back what goes on, once', () => {
  const terminal = opened('a');
  leave(terminal);
  expect(closed).toEqual(new Set());
  expect(names()).toEqual(['a']);
  expect(take(backend, { Id: 'id-a', Name: '/renamed' })).toBe(terminal);
  expect(take(backend, { Id: 'id-a', Name: '/a' })).not.toBe(terminal);
});

it('lets go of one in which nothing runs, and keeps what one wrote that ended out of sight', () => {
  const ended = opened('a');
  end(ended);
  leave(ended);
  expect(take(backend, { Id: 'id-a', Name: '/a' })).not.toBe(ended);
  const later = opened('b');
  leave(later);
  end(later);
  expect(names()).toEqual([]);
  expect(take(backend, { Id: 'id-b', Name: '/b' })).toBe(later);
});

it('has the one left longest ago make way, and says so', () => {
  for (const name of 'abcdefgh') leave(opened(name));
  // Looked at meanwhile: it is the newest.
  leave(take(backend, { Id: 'id-a', Name: '/a' }));
  leave(opened('i'));
  expect([...closed]).toEqual(['b']);
  expect(names()).toEqual(['c', 'd', 'e', 'f', 'g', 'h', 'a', 'i']);
  expect(toasts().map(({ toast }) => toast.text)).toEqual(['The terminal of b is closed: 8 others go on']);
});

it('has one that ended make way first, without a word', () => {
  const terminals = [...'abcdefgh'].map(opened);
  terminals.forEach(leave);
  end(terminals[4]!);
  leave(opened('i'));
  expect([...closed]).toEqual(['e']);
  expect(toasts()).toEqual([]);
});

it('ends all', () => {
  leave(opened('a'));
  leave(opened('b'));
  endAll();
  expect([...closed]).toEqual(['a', 'b']);
  expect(names()).toEqual([]);
});
