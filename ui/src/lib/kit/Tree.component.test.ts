import '@testing-library/svelte/vitest';
import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { expect, it, vi } from 'vitest';
import Tree from './Tree.svelte';

const VALUE = { Config: { Env: ['A=1', 'B=2'], Deep: { deeper: { secret: '<b>gold</b>' } } }, Id: 'f00' };

const items = () => screen.getAllByRole('treeitem');
const item = (text: string) => items().find((one) => one.textContent!.includes(text))!;

it('shows the first levels, and unfolds by keyboard', async () => {
  render(Tree, { value: VALUE, label: 'Inspect' });
  expect(items()).toHaveLength(5);
  const env = item('Env');
  expect(env.getAttribute('aria-expanded')).toBe('false');
  await fireEvent.keyDown(env, { key: 'ArrowRight' });
  expect(item('Env').getAttribute('aria-expanded')).toBe('true');
  expect(item('"B=2"').getAttribute('aria-level')).toBe('4');
  await fireEvent.keyDown(item('"B=2"'), { key: 'ArrowLeft' });
  await vi.waitFor(() => expect(document.activeElement).toBe(item('Env')));
});

it('unfolds what leads to a match, and goes through the matches', async () => {
  render(Tree, { value: VALUE, label: 'Inspect' });
  await fireEvent.input(screen.getByRole('searchbox'), { target: { value: 'gold' } });
  await tick();
  expect(item('secret').textContent).toContain('"<b>gold</b>"');
  expect(screen.getByText('1 of 1')).toBeTruthy();
  await fireEvent.input(screen.getByRole('searchbox'), { target: { value: '=' } });
  await tick();
  await fireEvent.click(screen.getByRole('button', { name: 'Next match' }));
  expect(screen.getByText('2 of 2')).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Next match' }));
  expect(screen.getByText('1 of 2')).toBeTruthy();
});

it('draws a screenful of ten thousand lines', async () => {
  render(Tree, { value: Array.from({ length: 10_000 }, (_, at) => at), label: 'Many' });
  expect(items().length).toBeLessThan(90);
  await fireEvent.keyDown(items()[0]!, { key: 'End' });
  await vi.waitFor(() => expect(document.activeElement?.textContent).toContain('9999'));
});

it('copies the path and the value of a line', async () => {
  const writeText = vi.fn(() => Promise.resolve());
  vi.stubGlobal('navigator', { ...navigator, clipboard: { writeText } });
  render(Tree, { value: VALUE, label: 'Inspect', depth: 9 });
  const press = (name: string) => fireEvent.click(item('secret').querySelector(`[aria-label="${name}"]`)!);
  await press('Copy the path');
  await press('Copy the value');
  expect(writeText.mock.calls).toEqual([['.Config.Deep.deeper.secret'], ['<b>gold</b>']]);
  vi.unstubAllGlobals();
});
