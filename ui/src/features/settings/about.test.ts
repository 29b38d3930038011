import { expect, it } from 'vitest';
import type { SystemVersion } from '$lib/api/generated';
import { away, productOf } from './about';

it('names the product by its own version, not by Docker’s', () => {
  const version = {
    Version: '28.5.2',
    Platform: { Name: 'Berth 0.1.0' },
    Components: [
      { Name: 'Engine', Version: '28.5.2' },
      { Name: 'Berth', Version: '0.1.0' },
    ],
  } as SystemVersion;
  expect(productOf(version)).toBe('Berth 0.1.0');
  expect(productOf({ ...version, Components: undefined })).toBe('Berth 0.1.0');
  // dockerd itself, to which the pages can be connected as well.
  expect(productOf({ ...version, Components: [], Platform: { Name: '' } })).toBe('28.5.2');
});

it('says how far clocks are apart in the largest unit', () => {
  expect(away(3000, 'en')).toBe('3 seconds');
  expect(away(3_600_000, 'en')).toBe('1 hour');
  expect(away(5_400_000, 'en')).toBe('2 hours');
  expect(away(3 * 86_400_000, 'zh-CN')).toBe('3天');
});
