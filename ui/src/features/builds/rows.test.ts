import { describe, expect, it } from 'vitest';
import type { ImageSummary } from '$lib/api/generated';
import { familiar, made, matching, took } from './rows';
import { build } from './testing/sample';

const IMAGE = build().ImageID;
const image = (Id: string, ...RepoTags: string[]) => ({ Id, RepoTags }) as ImageSummary;

it('tells how long a build took, or takes so far, whatever the clocks say', () => {
  expect(took(build(), 0)).toBe(10_000);
  const runs = build({ Status: 'running', CompletedAt: null });
  expect(took(runs, Date.parse('2026-01-15T12:01:00.123Z'))).toBe(60_000);
  expect(took(runs, Date.parse('2026-01-15T11:59:00Z'))).toBe(0);
  expect(took(build({ CreatedAt: 'never' }), 0)).toBeUndefined();
});

it('names images as people do', () => {
  expect(familiar('docker.io/library/app:latest')).toBe('app:latest');
  expect(familiar('docker.io/ada/app:1')).toBe('ada/app:1');
  expect(familiar('docker.io/library/deep/app:1')).toBe('library/deep/app:1');
  expect(familiar('registry.example.org:5000/app:1')).toBe('registry.example.org:5000/app:1');
});

describe('what came of a build', () => {
  it('is found by its name, or by its ID where a later build took the name', () => {
    expect(made(build(), [image(IMAGE, 'app:latest')])).toEqual([{ name: 'app:latest', target: 'app:latest' }]);
    expect(made(build(), [image(IMAGE), image('sha256:b', 'app:latest')])).toEqual([
      { name: 'app:latest', target: IMAGE },
    ]);
  });

  it('may be gone', () => {
    expect(made(build(), [image('sha256:b', 'app:latest')])).toEqual([{ name: 'app:latest', target: undefined }]);
    expect(made(build({ ImageID: '' }), undefined)).toEqual([{ name: 'app:latest', target: undefined }]);
  });

  it('is not taken for gone before the images are known', () => {
    expect(made(build(), undefined)).toEqual([{ name: 'app:latest', target: IMAGE }]);
  });

  it('has its ID for a name where it was given none, and is nothing of a build that failed', () => {
    expect(made(build({ Tags: [] }), [image(IMAGE)])).toEqual([{ name: 'a'.repeat(12), target: IMAGE }]);
    expect(made(build({ Tags: [], ImageID: '' }), [])).toEqual([]);
    expect(made(build({ Status: 'error', ImageID: '' }), [])).toEqual([]);
  });
});

it('looks for each word in all that a build is told by', () => {
  const all = [
    build({ Ref: 'one', Name: 'shop', Target: 'test', Status: 'error' }),
    build({ Ref: 'two', Name: 'shop/Dockerfile.slim', Tags: ['docker.io/ada/shop:2'] }),
  ];
  const found = (...of: [string, Parameters<typeof matching>[2]]) => matching(all, ...of).map(({ Ref }) => Ref);
  expect(found('', 'all')).toEqual(['one', 'two']);
  expect(found('  ADA slim ', 'all')).toEqual(['two']);
  expect(found('shop', 'error')).toEqual(['one']);
  expect(found('two', 'error')).toEqual([]);
});
