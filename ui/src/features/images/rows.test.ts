import { describe, expect, it } from 'vitest';
import type { ContainerSummary, ImageSummary } from '$lib/api/generated';
import { plan } from './prune';
import { HELPER } from '$lib/live/helpers';
import { by, chosen, rows, title } from './rows';

function image(id: string, tags: string[] | null, more: Partial<ImageSummary> = {}): ImageSummary {
  return {
    Id: `sha256:${id.padEnd(64, '0')}`,
    Containers: -1,
    Created: 0,
    Labels: null,
    ParentId: '',
    RepoDigests: [],
    RepoTags: tags,
    SharedSize: -1,
    Size: 100,
    ...more,
  };
}

function container(name: string, of: ImageSummary, labels: Record<string, string> = {}): ContainerSummary {
  return {
    Id: name,
    Names: [`/${name}`],
    Image: 'whatever',
    ImageID: of.Id,
    Command: '',
    Created: 0,
    HostConfig: {},
    Labels: labels,
    Mounts: [],
    NetworkSettings: null,
    Ports: [],
    State: 'exited',
    Status: '',
  };
}

const web = image('aa', ['nginx:1.27', 'localhost:5000/web:prod'], { Created: 5, Size: 300 });
const old = image('bb', [], { RepoDigests: [`nginx@sha256:${'1'.repeat(64)}`], Created: 3 });
const lost = image('cc', ['<none>:<none>'], { RepoDigests: ['<none>@<none>'] });

describe('the list of images', () => {
  const all = rows([web, old, lost], [container('front', web), container('k', web, { [HELPER]: 'files' })]);

  it('has a row a name, and one for an image without', () => {
    expect(all.map(title)).toEqual(['nginx:1.27', 'localhost:5000/web:prod', 'nginx:<none>', '<none>:<none>']);
    expect(all[0]).toMatchObject({
      target: 'nginx:1.27',
      others: ['localhost:5000/web:prod'],
      shortId: 'aa0000000000',
    });
    expect(all[2]).toMatchObject({ target: old.Id, tag: undefined });
  });

  it('says who uses an image, but not what only reads volumes', () => {
    expect(all[1]!.users).toEqual([{ id: 'front', name: 'front', state: 'exited' }]);
    expect(all[2]!.users).toEqual([]);
  });

  it('is searched by name, ID and user', () => {
    expect(chosen(all, 'NGINX 1.27', 'all').map(title)).toEqual(['nginx:1.27']);
    expect(chosen(all, 'front', 'all')).toHaveLength(2);
    expect(chosen(all, 'sha256:bb', 'all').map(title)).toEqual(['nginx:<none>']);
    expect(chosen(all, '', 'dangling')).toHaveLength(2);
    expect(chosen(all, '', 'used')).toHaveLength(2);
    expect(chosen(all, 'nginx', 'unused')).toHaveLength(1);
  });

  it('is sorted, what has no name last', () => {
    expect([...all].sort(by.name).map(title).at(-1)).toBe('<none>:<none>');
    expect([...all].sort(by.size).at(-1)!.size).toBe(300);
  });
});

describe('a prune', () => {
  it('takes what has no name, or all that is not used', () => {
    const used = [container('front', web)];
    expect(plan([web, old, lost], used, 'dangling').goes).toEqual([old, lost]);
    expect(plan([web, old, lost], [container('x', old)], 'unused')).toMatchObject({ goes: [web, lost], atMost: 400 });
  });

  it('leaves what an image that stays was made from, however far up', () => {
    const base = image('d1', []);
    const middle = image('d2', ['middle:1'], { ParentId: base.Id });
    const top = image('d3', ['top:1'], { ParentId: middle.Id });
    const images = [base, middle, top];
    expect(plan(images, [], 'dangling').goes).toEqual([]);
    expect(plan(images, [container('c', top)], 'unused')).toEqual({ goes: [], untagged: [middle], atMost: 0 });
    expect(plan(images, [], 'unused').goes).toEqual(images);
  });
});
