import { describe, expect, it, vi } from 'vitest';
import * as archives from '$lib/api/archive';
import * as containers from '$lib/api/containers';
import * as images from '$lib/api/images';
import * as volumes from '$lib/api/volumes';
import type { Backend, Request } from '$lib/backend/backend';
import { FakeEngine } from '$lib/backend/fake/engine';
import { scene } from '$lib/backend/fake/scenes';
import { archive } from '$features/container/files/tar/write';
import { list } from '$features/container/files/list';
import { CLONE, content, Copy } from './copy.svelte';
import { clear, keep, leftBehind, ROOT, withKeeper } from './keeper';

const file = (name: string, text: string) => ({
  name,
  kind: 'file' as const,
  mode: 0o640,
  uid: 70,
  gid: 70,
  mtime: 1,
  body: new TextEncoder().encode(text),
});

async function written(backend: Backend, name: string, text = 'hello'): Promise<void> {
  await volumes.create(backend, { Name: name });
  const copy = new Copy();
  await copy.import(backend, name, archive([file('a.txt', text)]));
  expect([copy.state, copy.failure]).toEqual(['done', undefined]);
}

async function names(backend: Backend, volume: string): Promise<string[]> {
  const { signal } = new AbortController();
  const look = (id: string) => list(backend, { id, path: ROOT, running: false });
  return (await withKeeper(backend, volume, 'read', signal, look)).entries.map((entry) => entry.name);
}

/** All of a volume as it is exported. */
async function text(backend: Backend, volume: string): Promise<string> {
  return new Response(await content(backend, volume, new AbortController().signal)).text();
}

function answering(backend: Backend, request: Backend['request']): Backend {
  return { upgrade: (one) => backend.upgrade(one), request };
}

/** Nothing of ours is left. */
async function left(backend: Backend) {
  const found = await containers.list(backend, { all: true, filters: { label: ['berth.helper'] } });
  return found.length;
}

for (const [where, make] of [
  ['with images', () => scene('busy')],
  ['without any image', () => new FakeEngine({ seed: 1 })],
] as const) {
  describe(`a keeper ${where}`, () => {
    it('reads and writes a volume, and leaves nothing behind', async () => {
      const backend = make();
      const before = (await images.list(backend)).length;
      await written(backend, 'data');
      expect(await names(backend, 'data')).toEqual(['a.txt']);
      expect(await left(backend)).toBe(0);
      expect((await images.list(backend)).length).toBe(before);
    });

    it('puts nothing of its image into an empty volume', async () => {
      const backend = make();
      await volumes.create(backend, { Name: 'bare' });
      expect(await names(backend, 'bare')).toEqual([]);
    });
  });
}

describe('a keeper', () => {
  it('cannot write when it is for reading', async () => {
    const backend = scene('busy');
    await volumes.create(backend, { Name: 'data' });
    const keeper = await keep(backend, 'data', 'read');
    await expect(archives.put(backend, keeper.id, ROOT, archive([file('a', 'x')]))).rejects.toThrow(/read-only/);
    await keeper.close();
    await keeper.close();
  });

  it('that was left behind is found and cleared', async () => {
    const backend = scene('busy');
    await volumes.create(backend, { Name: 'data' });
    await keep(backend, 'data', 'read');
    const all = await containers.list(backend, { all: true });
    expect(leftBehind(all, 'other')).toEqual([]);
    expect(leftBehind(all, 'data')).toHaveLength(1);
    await expect(volumes.remove(backend, 'data')).rejects.toThrow(/in use/);
    await clear(backend, all, 'data');
    await volumes.remove(backend, 'data');
  });

  it('goes when it was called off while it was made', async () => {
    const backend = scene('busy');
    await volumes.create(backend, { Name: 'data' });
    const control = new AbortController();
    const slow: Backend = {
      upgrade: (request) => backend.upgrade(request),
      request: async (request: Request) => {
        const answer = await backend.request(request);
        if (request.path.startsWith('/containers/create')) control.abort();
        return answer;
      },
    };
    await expect(keep(slow, 'data', 'read', control.signal)).rejects.toThrow();
    await vi.waitFor(async () => expect(await left(backend)).toBe(0));
  });

  it('does not wait for an engine that hangs, and goes all the same when that answers', async () => {
    const backend = scene('busy');
    await volumes.create(backend, { Name: 'data' });
    const control = new AbortController();
    let answer = () => {};
    const hangs = new Promise<void>((resolve) => (answer = resolve));
    const slow = answering(backend, async (request) => {
      if (!request.path.startsWith('/containers/create')) return backend.request(request);
      control.abort();
      await hangs;
      return backend.request(request);
    });
    await expect(keep(slow, 'data', 'read', control.signal)).rejects.toThrow(/abort/i);
    const gone = new Promise<void>((resolve) => {
      const watched = backend.request.bind(backend);
      backend.request = async (request) => {
        const answered = await watched(request);
        if (request.method === 'DELETE') resolve();
        return answered;
      };
    });
    answer();
    await gone;
    expect(await left(backend)).toBe(0);
  });

  it('makes no volume of one that is gone', async () => {
    const backend = scene('busy');
    await expect(keep(backend, 'gone', 'read')).rejects.toThrow('This volume is not there any more');
    await expect(volumes.inspect(backend, 'gone')).rejects.toThrow(/no such volume/);
    expect(await left(backend)).toBe(0);
    const copy = new Copy();
    await copy.clone(backend, 'gone', 'twin', {});
    expect([copy.state, copy.failure]).toEqual(['failed', 'This volume is not there any more']);
    await expect(volumes.inspect(backend, 'twin')).rejects.toThrow(/no such volume/);
  });
});

describe('content of volumes', () => {
  it('is exported as a tar of what is in the volume', async () => {
    const backend = scene('busy');
    await written(backend, 'data');
    const tar = await new Response(await content(backend, 'data', new AbortController().signal)).blob();
    await volumes.create(backend, { Name: 'again' });
    await new Copy().import(backend, 'again', tar);
    expect(await names(backend, 'again')).toEqual(['a.txt']);
    expect(await left(backend)).toBe(0);
  });

  it('leaves nothing behind when an export is ended early', async () => {
    const backend = scene('busy');
    await written(backend, 'data', 'x'.repeat(300_000));
    const stream = await content(backend, 'data', new AbortController().signal);
    const reader = stream.getReader();
    await reader.read();
    await reader.cancel();
    expect(await left(backend)).toBe(0);
  });

  it('is cloned with its labels', async () => {
    const backend = scene('busy');
    await written(backend, 'data');
    const copy = new Copy();
    await copy.clone(backend, 'data', 'twin', { a: 'b' });
    expect([copy.state, copy.failure]).toEqual(['done', undefined]);
    expect(copy.bytes).toBeGreaterThan(0);
    expect(await names(backend, 'twin')).toEqual(['a.txt']);
    expect((await volumes.inspect(backend, 'twin')).Labels).toEqual({ a: 'b', [CLONE]: expect.any(String) });
  });

  it('is never cloned into a volume that was there', async () => {
    const backend = scene('busy');
    await written(backend, 'data');
    await written(backend, 'backup', 'precious');
    const copy = new Copy();
    await copy.clone(backend, 'data', 'backup', {});
    expect([copy.state, copy.failure]).toEqual(['failed', 'There is a volume of this name']);
    expect((await volumes.inspect(backend, 'backup')).Labels).toBeNull();
    expect(await text(backend, 'backup')).toContain('precious');
  });

  it('is not cloned into a volume that comes to be in the same moment', async () => {
    const backend = scene('busy');
    await written(backend, 'data');
    const raced = answering(backend, async (request) => {
      if (request.path === '/volumes/create') await written(backend, 'backup', 'precious');
      return backend.request(request);
    });
    const copy = new Copy();
    await copy.clone(raced, 'data', 'backup', {});
    expect([copy.state, copy.failure]).toEqual(['failed', 'There is a volume of this name']);
    expect(await text(backend, 'backup')).toContain('precious');
  });

  it('leaves alone a volume that took the place of a clone that fails', async () => {
    const backend = scene('busy');
    await written(backend, 'data');
    const raced = answering(backend, async (request) => {
      if (request.method !== 'PUT') return backend.request(request);
      for (const one of await containers.list(backend, { all: true, filters: { label: ['berth.helper'] } }))
        await containers.remove(backend, one.Id, { force: true });
      await volumes.remove(backend, 'twin');
      await written(backend, 'twin', 'precious');
      throw new Error('broken off');
    });
    const copy = new Copy();
    await copy.clone(raced, 'data', 'twin', {});
    expect([copy.state, copy.failure]).toEqual(['failed', 'broken off']);
    expect(await text(backend, 'twin')).toContain('precious');
  });

  it('leaves no half clone behind', async () => {
    const backend = scene('busy');
    await written(backend, 'data');
    backend.fail({ path: /archive/, method: 'PUT', status: 500, message: 'no space left on device' } as never);
    const copy = new Copy();
    await copy.clone(backend, 'data', 'twin', {});
    expect([copy.state, copy.failure]).toEqual(['failed', 'no space left on device']);
    await expect(volumes.inspect(backend, 'twin')).rejects.toThrow(/no such volume/);
    expect(await left(backend)).toBe(0);
  });

  it('says that it was stopped, not that it failed', async () => {
    const backend = scene('busy');
    await written(backend, 'data');
    const copy = new Copy();
    const end = copy.clone(backend, 'data', 'twin', {});
    copy.stop();
    await end;
    expect([copy.state, copy.failure]).toEqual(['stopped', undefined]);
    await vi.waitFor(async () => expect(await left(backend)).toBe(0));
  });
});
