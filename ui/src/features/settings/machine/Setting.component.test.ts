import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, expect, it } from 'vitest';
import type { SettingEntry } from '$lib/api/generated/daemon';
import { answer, Scripted } from '$lib/backend/scripted';
import { Entries } from './entries.svelte';
import Shown from './testing/Shown.svelte';

afterEach(cleanup);

const entry = (name: string, value: string) =>
  ({ name, value, default: '', is_set: value !== '', description: '', takes_effect: 'at_once' }) as SettingEntry;

/** The settings page over one setting, whose changes are answered when the test says so. */
async function open(name: string, value: string) {
  const asked: string[] = [];
  const answers: ((refusal?: string) => void)[] = [];
  const backend = new Scripted({
    '/settings': async (request) => {
      if (request.method === 'GET') return answer(200, [entry(name, value)]);
      const wanted = (JSON.parse(request.body as string) as { value: string }).value;
      asked.push(wanted);
      const refusal = await new Promise<string | undefined>((say) => answers.push(say));
      return refusal === undefined ? answer(200, entry(name, wanted)) : answer(400, { message: refusal });
    },
  });
  const entries = new Entries(backend);
  await entries.read();
  render(Shown, { entries, name });
  const told = async (at: number, refusal?: string) => {
    await expect.poll(() => answers.length).toBeGreaterThan(at);
    answers[at]!(refusal);
    await expect.poll(() => entries.saving[name]).toBe(answers.length > at + 1 ? true : undefined);
  };
  return { entries, asked, told };
}

const rows = () => screen.getAllByRole<HTMLInputElement>('textbox').map((field) => field.value);

async function type(field: HTMLInputElement, text: string, leave = true) {
  await fireEvent.input(field, { target: { value: text } });
  if (leave) await fireEvent.change(field);
}

it('keeps a row that is typed while the answer to another is under way', async () => {
  const { told, asked } = await open('registry_mirrors', 'https://one.example');
  await fireEvent.click(screen.getByRole('button', { name: 'Add' }));
  await type(screen.getAllByRole<HTMLInputElement>('textbox')[1]!, 'https://two.example');
  await fireEvent.click(screen.getByRole('button', { name: 'Add' }));
  const third = screen.getAllByRole<HTMLInputElement>('textbox')[2]!;
  await type(third, 'https://thr', false);
  await told(0);
  expect(asked).toEqual(['https://one.example,https://two.example']);
  expect(rows()).toEqual(['https://one.example', 'https://two.example', 'https://thr']);
  expect(third.isConnected).toBe(true);
});

it('takes a number that is typed on while the one before is set', async () => {
  const { told, asked } = await open('cpus', '4');
  const field = screen.getByRole<HTMLInputElement>('spinbutton');
  await type(field, '2');
  await type(field, '28', false);
  await told(0);
  expect(field.value).toBe('28');
  await fireEvent.change(field);
  await expect.poll(() => asked).toEqual(['2', '28']);
});

it('is at peace with the old value once that stands in the field again', async () => {
  const { told, asked } = await open('cpus', '4');
  const field = screen.getByRole<HTMLInputElement>('spinbutton');
  await type(field, '5000');
  await told(0, 'a number from 1 to 8');
  expect(await screen.findByText('a number from 1 to 8')).toBeTruthy();
  await type(field, '4');
  await expect.poll(() => screen.queryByText('a number from 1 to 8')).toBeNull();
  expect(field.getAttribute('aria-invalid')).not.toBe('true');
  expect(asked).toEqual(['5000']);
});

it('is at peace with a list, too, whose refused row is taken away', async () => {
  const { told, asked } = await open('registry_mirrors', 'https://one.example');
  await fireEvent.click(screen.getByRole('button', { name: 'Add' }));
  await type(screen.getAllByRole<HTMLInputElement>('textbox')[1]!, 'no mirror');
  await told(0, 'is no mirror');
  expect(await screen.findByText('is no mirror')).toBeTruthy();
  await fireEvent.click(screen.getByRole('button', { name: 'Remove no mirror' }));
  await expect.poll(() => screen.queryByText('is no mirror')).toBeNull();
  expect(asked).toHaveLength(1);
});
