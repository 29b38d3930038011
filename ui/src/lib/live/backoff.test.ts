import { expect, it } from 'vitest';
import { backoff } from './backoff';

it('doubles from half a second up to eight', () => {
  expect([0, 1, 2, 3, 4, 5, 5000].map(backoff)).toEqual([500, 1000, 2000, 4000, 8000, 8000, 8000]);
});
