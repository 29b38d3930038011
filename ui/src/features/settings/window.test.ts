import { cleanup, render, screen } from '@testing-library/svelte';
import { afterEach, expect, test } from 'vitest';
import { host } from '$lib/backend/fake/host';
import type { Desktop, Preferences } from '$lib/backend/host';
import WindowSettings from './WindowSettings.svelte';

afterEach(cleanup);

const FIRST: Preferences = { closeToTray: true, notifications: true, terminal: '', startAtLogin: false };

/** A desktop program that keeps what it is told, or refuses all changes. */
function desktop(refusal?: string): Desktop & { kept: Preferences; asked: Partial<Preferences>[] } {
  return {
    machines: host('empty').desktop!.machines,
    kept: FIRST,
    asked: [],
    check: () => Promise.reject(new Error('not asked for here')),
    archive: () => Promise.reject(new Error('not asked for here')),
    openTerminal: () => Promise.reject(new Error('not asked for here')),
    quit: () => Promise.reject(new Error('it asks already')),
    async preferences() {
      return this.kept;
    },
    async setPreferences(change) {
      this.asked.push(change);
      if (refusal) throw new Error(refusal);
      return (this.kept = { ...this.kept, ...change });
    },
  };
}

const box = (name: string) => screen.findByRole<HTMLInputElement>('checkbox', { name: new RegExp(name) });

test('a switch changes what it names and nothing else', async () => {
  const made = desktop();
  render(WindowSettings, { desktop: made });
  (await box('Start at login')).click();
  await expect.poll(() => made.kept).toEqual({ ...FIRST, startAtLogin: true });
  expect(made.asked).toEqual([{ startAtLogin: true }]);
});

test('what the program refuses is said, and the switch shows how it is', async () => {
  render(WindowSettings, { desktop: desktop('the folder cannot be written') });
  const clicked = await box('Stay in the tray');
  clicked.click();
  expect(await screen.findByText('the folder cannot be written')).toBeTruthy();
  // The same box: one made anew would lose the focus.
  expect([clicked.isConnected, clicked.checked]).toEqual([true, true]);
});

test('the program can be ended, and says why it is not', async () => {
  render(WindowSettings, { desktop: desktop() });
  (await screen.findByRole('button', { name: 'Quit Berth' })).click();
  expect(await screen.findByText('it asks already')).toBeTruthy();
});

test('a terminal is kept when the field is left, once', async () => {
  const made = desktop();
  render(WindowSettings, { desktop: made });
  const field = await screen.findByRole<HTMLInputElement>('textbox', { name: 'Terminal program' });
  field.value = 'kitty';
  field.dispatchEvent(new Event('input', { bubbles: true }));
  field.dispatchEvent(new FocusEvent('blur'));
  await expect.poll(() => made.kept.terminal).toBe('kitty');
  field.dispatchEvent(new FocusEvent('blur'));
  expect(made.asked).toEqual([{ terminal: 'kitty' }]);
});

test('what is typed stands when something is refused, and goes with the old value', async () => {
  const made = desktop('the folder cannot be written');
  render(WindowSettings, { desktop: made });
  const field = await screen.findByRole<HTMLInputElement>('textbox', { name: 'Terminal program' });
  const type = (text: string) => {
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
  };
  type('kitty');
  (await box('Stay in the tray')).click();
  expect(await screen.findByText('the folder cannot be written')).toBeTruthy();
  expect(field.value).toBe('kitty');
  type('');
  field.dispatchEvent(new FocusEvent('blur'));
  await expect.poll(() => screen.queryByText('the folder cannot be written')).toBeNull();
});

test('what was done although something of it failed shows as it is', async () => {
  const made = desktop();
  made.setPreferences = async (change) => {
    made.kept = { ...made.kept, ...change };
    throw new Error('the file cannot be written');
  };
  render(WindowSettings, { desktop: made });
  const clicked = await box('Start at login');
  clicked.click();
  expect(await screen.findByText('the file cannot be written')).toBeTruthy();
  expect(clicked.checked).toBe(true);
});
