import { expect, it } from 'vitest';
import { pool } from './pool';

it('does all in order, no more at once than allowed', async () => {
  let running = 0;
  let most = 0;
  const begun: number[] = [];
  await pool([1, 2, 3, 4, 5], 2, async (item) => {
    begun.push(item);
    most = Math.max(most, ++running);
    await Promise.resolve();
    running--;
  });
  expect(begun).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});

it('begins nothing after a failure, and throws when all that had begun has ended', async () => {
  const begun: number[] = [];
  let ended = 0;
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const whole = pool([1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error('one');
    await held;
    ended++;
  });
  release();
  await expect(whole).rejects.toThrow('one');
  expect(begun).toEqual([1, 2]);
  expect(ended).toBe(1);
});

it('has nothing to do with nothing', async () => {
  await pool([], 4, () => Promise.reject(new Error('never')));
});
