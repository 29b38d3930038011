import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { register } from './commands.svelte';
import { listen } from './hotkeys';

let stop: () => void;
beforeEach(() => void (stop = listen()));
afterEach(() => {
  stop();
  document.body.innerHTML = '';
});

const press = (key: string, on: EventTarget = document.body, held: KeyboardEventInit = {}) => {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...held });
  on.dispatchEvent(event);
  return event;
};

function command(shortcut: string, enabled?: () => boolean) {
  const run = vi.fn();
  const gone = register([{ id: shortcut, title: () => shortcut, shortcut, run, enabled }]);
  return { run, gone };
}

it('runs what a sequence or keys together mean, as long as it is registered', () => {
  const [list, palette] = [command('g c'), command('Mod+K')];
  press('g');
  expect(press('c').defaultPrevented).toBe(true);
  expect(list.run).toHaveBeenCalledOnce();
  press('k', document.body, { ctrlKey: true });
  expect(palette.run).toHaveBeenCalledOnce();
  list.gone();
  press('g');
  expect(press('c').defaultPrevented).toBe(false);
  expect(list.run).toHaveBeenCalledOnce();
  palette.gone();
});

it('leaves what is typed into a field alone, but for keys that type nothing', () => {
  const [slash, palette] = [command('/'), command('Mod+K')];
  document.body.innerHTML = '<input /><div contenteditable="true"><b>x</b></div>';
  expect(press('/', document.querySelector('input')!).defaultPrevented).toBe(false);
  expect(press('/', document.querySelector('b')!).defaultPrevented).toBe(false);
  press('k', document.querySelector('input')!, { ctrlKey: true });
  expect(palette.run).toHaveBeenCalledOnce();
  expect(slash.run).not.toHaveBeenCalled();
  slash.gone();
  palette.gone();
});

it('leaves every key to a terminal', () => {
  const palette = command('Mod+K');
  document.body.innerHTML = '<div class="xterm"><textarea></textarea></div>';
  expect(press('k', document.querySelector('textarea')!, { ctrlKey: true }).defaultPrevented).toBe(false);
  expect(palette.run).not.toHaveBeenCalled();
  palette.gone();
});

it('does not reach behind a dialog', () => {
  const help = command('?');
  document.body.innerHTML = '<dialog open><button>x</button></dialog>';
  press('?', document.querySelector('button')!);
  expect(help.run).not.toHaveBeenCalled();
  help.gone();
});

it('passes over what cannot be done now, and what somebody has dealt with', () => {
  const off = command('x', () => false);
  expect(press('x').defaultPrevented).toBe(false);
  expect(off.run).not.toHaveBeenCalled();
  off.gone();
  const on = command('y');
  document.body.innerHTML = '<button>y</button>';
  const button = document.querySelector('button')!;
  button.addEventListener('keydown', (event) => event.preventDefault());
  press('y', button);
  expect(on.run).not.toHaveBeenCalled();
  on.gone();
});
