import '@testing-library/svelte/vitest';
import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, it, vi } from 'vitest';
import Button from './Button.svelte';
import Checkbox from './Checkbox.svelte';
import Progress from './Progress.svelte';
import Select from './Select.svelte';
import SearchInput from './SearchInput.svelte';
import FieldWithInput from './testing/FieldWithInput.svelte';
import TextInput from './TextInput.svelte';

it('names its control, and says what is wrong with it', () => {
  render(FieldWithInput, { label: 'Port', hint: 'A number', error: 'Taken' });
  const input = screen.getByLabelText('Port');
  expect(input.getAttribute('aria-invalid')).toBe('true');
  expect(document.getElementById(input.getAttribute('aria-describedby')!)?.textContent).toBe('Taken');
  expect(screen.getByRole('alert').textContent).toBe('Taken');
});

it('explains its control while nothing is wrong', () => {
  render(FieldWithInput, { label: 'Port', hint: 'A number' });
  const input = screen.getByLabelText('Port');
  expect(input.hasAttribute('aria-invalid')).toBe(false);
  expect(document.getElementById(input.getAttribute('aria-describedby')!)?.textContent).toBe('A number');
});

it('keeps the text of a number as it was typed', async () => {
  render(TextInput, { label: 'Size', type: 'number', value: '10' });
  const input = screen.getByLabelText<HTMLInputElement>('Size');
  await fireEvent.input(input, { target: { value: '007' } });
  expect(input.value).toBe('007');
});

it('a search is emptied by Esc, and only then is Esc for others', async () => {
  const outer = vi.fn();
  document.body.addEventListener('keydown', outer);
  render(SearchInput, { label: 'Find', value: 'web' });
  const input = screen.getByRole<HTMLInputElement>('searchbox', { name: 'Find' });
  await fireEvent.keyDown(input, { key: 'Escape' });
  expect(input.value).toBe('');
  expect(outer).not.toHaveBeenCalled();
  await fireEvent.keyDown(input, { key: 'Escape' });
  expect(outer).toHaveBeenCalledOnce();
  document.body.removeEventListener('keydown', outer);
});

it('a busy button keeps its focus and does nothing', async () => {
  const onclick = vi.fn();
  render(Button, { label: 'Pull', busy: true, onclick });
  const button = screen.getByRole<HTMLButtonElement>('button', { name: 'Pull' });
  expect(button.disabled).toBe(false);
  expect(button.getAttribute('aria-disabled')).toBe('true');
  await fireEvent.click(button);
  expect(onclick).not.toHaveBeenCalled();
});

it('a box tells what it became', async () => {
  const onchange = vi.fn();
  render(Checkbox, { label: 'Keep', onchange });
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Keep' }));
  expect(onchange).toHaveBeenCalledWith(true);
});

it.each([
  [0.42, '42'],
  [7, '100'],
  [Number.NaN, null],
  [undefined, null],
])('progress of %s is %s', (value, now) => {
  render(Progress, { label: 'Pulling', value });
  expect(screen.getByRole('progressbar', { name: 'Pulling' }).getAttribute('aria-valuenow')).toBe(now);
});

it('a controlled box and choice show what they are told, not what was asked of them', async () => {
  const asked = vi.fn();
  const box = render(Checkbox, { label: 'Box', checked: false, controlled: true, onchange: asked });
  const input = screen.getByRole<HTMLInputElement>('checkbox', { name: 'Box' });
  await fireEvent.click(input);
  expect([asked.mock.lastCall, input.checked]).toEqual([[true], false]);
  await box.rerender({ checked: true });
  expect(input.checked).toBe(true);

  const options = ['a', 'b'].map((value) => ({ value, label: value }));
  const choice = render(Select, { label: 'Choice', value: 'a', options, controlled: true, onchange: asked });
  const select = screen.getByRole<HTMLSelectElement>('combobox', { name: 'Choice' });
  await fireEvent.change(select, { target: { value: 'b' } });
  expect([asked.mock.lastCall, select.value]).toEqual([['b'], 'a']);
  await choice.rerender({ value: 'b' });
  expect(select.value).toBe('b');
});
