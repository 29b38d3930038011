import '@testing-library/svelte/vitest';
import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { beforeEach, expect, it, vi } from 'vitest';
import Menu from './Menu.svelte';

const start = vi.fn();
const remove = vi.fn();

beforeEach(() => {
  start.mockReset();
  remove.mockReset();
  render(Menu, {
    label: 'More',
    items: [
      { label: 'Start', onselect: start },
      { label: 'Stop', disabled: true, onselect: () => undefined },
      'separator',
      { label: 'Rename', onselect: () => undefined },
      { label: 'Remove', danger: true, onselect: remove },
    ],
  });
});

const button = () => screen.getByRole('button', { name: 'More' });
const focused = () => document.activeElement?.textContent?.trim();

async function open() {
  await fireEvent.click(button());
  await tick();
  return screen.getByRole('menu', { name: 'More' });
}

it('opens with its first item in focus, and says that it is open', async () => {
  expect(button().getAttribute('aria-expanded')).toBe('false');
  await open();
  expect(button().getAttribute('aria-expanded')).toBe('true');
  expect(focused()).toBe('Start');
});

it('goes around by arrows past what is off, to the ends, and by letters', async () => {
  const menu = await open();
  const walk: (string | undefined)[] = [];
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'Home', 'End', 'r', 'e', 'n', 'a']) {
    await fireEvent.keyDown(menu, { key });
    walk.push(focused());
  }
  const typed = ['Rename', 'Rename', 'Rename', 'Rename'];
  expect(walk).toEqual(['Rename', 'Remove', 'Start', 'Remove', 'Start', 'Remove', ...typed]);
});

it('does what is chosen, and gives the focus back', async () => {
  await open();
  await fireEvent.click(screen.getByRole('menuitem', { name: 'Remove' }));
  expect(remove).toHaveBeenCalledOnce();
  expect(screen.queryByRole('menu')).toBeNull();
  expect(document.activeElement).toBe(button());
});

it('closes by Esc, and by a press elsewhere', async () => {
  await fireEvent.keyDown(await open(), { key: 'Escape' });
  expect(screen.queryByRole('menu')).toBeNull();
  expect(document.activeElement).toBe(button());
  await open();
  await fireEvent.pointerDown(document.body);
  expect(screen.queryByRole('menu')).toBeNull();
  expect(start).not.toHaveBeenCalled();
});

it('opens from its button by the arrows, at that end', async () => {
  await fireEvent.keyDown(button(), { key: 'ArrowUp' });
  await tick();
  expect(focused()).toBe('Remove');
});
