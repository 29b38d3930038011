import '@testing-library/svelte/vitest';
import { fireEvent, render, screen } from '@testing-library/svelte';
import { tick } from 'svelte';
import { expect, it } from 'vitest';
import { confirm, question } from './confirm.svelte';
import ConfirmHost from './ConfirmHost.svelte';

const QUESTION = {
  title: 'Remove web?',
  text: 'It cannot be undone.',
  detail: ['web', '<b>db</b>'],
  action: 'Remove',
  danger: true,
  option: { label: 'Volumes too', value: false },
};

it('answers yes with the option as it was set', async () => {
  render(ConfirmHost);
  const verdict = confirm(QUESTION);
  await tick();
  expect(screen.getByRole('alertdialog', { name: 'Remove web?' })).toBeTruthy();
  expect(screen.getByText('<b>db</b>')).toBeTruthy();
  await fireEvent.click(screen.getByRole('checkbox', { name: 'Volumes too' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Remove' }));
  await expect(verdict).resolves.toEqual({ yes: true, option: true });
  expect(screen.queryByRole('alertdialog')).toBeNull();
});

it('answers no to Cancel, to the cross and to Esc', async () => {
  render(ConfirmHost);
  for (const leave of [
    () => fireEvent.click(screen.getByRole('button', { name: 'Cancel' })),
    () => fireEvent.click(screen.getByRole('button', { name: 'Close' })),
    () => fireEvent(screen.getByRole('alertdialog'), new Event('cancel', { cancelable: true })),
  ]) {
    const verdict = confirm(QUESTION);
    await tick();
    await leave();
    await expect(verdict).resolves.toEqual({ yes: false, option: false });
  }
});

it('asks one after the other', async () => {
  render(ConfirmHost);
  const first = confirm({ ...QUESTION, title: 'First?' });
  const second = confirm({ ...QUESTION, title: 'Second?' });
  await tick();
  expect(screen.queryByText('Second?')).toBeNull();
  await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await first;
  expect(screen.getByText('Second?')).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Remove' }));
  await expect(second).resolves.toMatchObject({ yes: true });
  expect(question()).toBeUndefined();
});

it('does not let Enter do what cannot be undone', async () => {
  render(ConfirmHost);
  const verdict = confirm(QUESTION);
  await tick();
  const starts = (name: string) => screen.getByRole<HTMLButtonElement>('button', { name }).autofocus;
  expect(starts('Cancel')).toBe(true);
  expect(starts('Remove')).toBeFalsy();
  await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await verdict;
});
