import { afterEach, describe, expect, it, vi } from 'vitest';
import * as containers from '$lib/api/containers';
import type { ImageSummary } from '$lib/api/generated';
import * as images from '$lib/api/images';
import * as volumes from '$lib/api/volumes';
import type { Backend } from '$lib/backend/backend';
import { FakeEngine } from '$lib/backend/fake/engine';
import { scene } from '$lib/backend/fake/scenes';
import { COMMAND, HELPER, OWNER } from '$lib/live/helpers';
import { keep } from './keeper';
import { sweep } from './sweep';
import { WINDOW } from './window';

const HOUR = 3_600_000;

const helpers = (backend: Backend) => containers.list(backend, { all: true, filters: { label: [HELPER] } });

/** A keeper as a window `owner` would have left it. */
async function leave(backend: Backend, owner: string | undefined): Promise<number> {
  const [image] = await images.list(backend);
  const Labels = { [HELPER]: 'read', ...(owner === undefined ? {} : { [OWNER]: owner }) };
  await containers.create(backend, { Image: image!.Id, Cmd: ['x'], Labels });
  return (await helpers(backend))[0]!.Created * 1000;
}

/** The windows that hold a lock. */
function windows(...ids: string[]) {
  const held = ids.map((id) => ({ name: `berth.window ${id}` }));
  vi.stubGlobal('navigator', { locks: { query: async () => ({ held }), request: () => new Promise(() => undefined) } });
}

afterEach(() => vi.unstubAllGlobals());

describe('keepers that a window left', () => {
  it.each(['another window', undefined])('go when they are old: of %s', async (owner) => {
    const backend = scene('busy');
    const made = await leave(backend, owner);
    await sweep(backend, made + 9 * 60_000);
    expect(await helpers(backend)).toHaveLength(1);
    await sweep(backend, made + HOUR);
    expect(await helpers(backend)).toEqual([]);
  });

  it('stay while their window is there', async () => {
    const backend = scene('busy');
    const made = await leave(backend, 'another window');
    windows('another window');
    await sweep(backend, made + HOUR);
    expect(await helpers(backend)).toHaveLength(1);
    windows();
    await sweep(backend, made + HOUR);
    expect(await helpers(backend)).toEqual([]);
  });

  it('of a command stay for a day', async () => {
    const backend = scene('busy');
    const [image] = await images.list(backend);
    await containers.create(backend, {
      Image: image!.Id,
      Cmd: ['x'],
      Labels: { [HELPER]: 'volume', [COMMAND]: 'volume' },
    });
    const made = (await helpers(backend))[0]!.Created * 1000;
    await sweep(backend, made + 23 * HOUR);
    expect(await helpers(backend)).toHaveLength(1);
    await sweep(backend, made + 25 * HOUR);
    expect(await helpers(backend)).toEqual([]);
  });

  it('are not those of this window, nor containers of the person', async () => {
    const backend = scene('busy');
    const before = await containers.list(backend, { all: true });
    await volumes.create(backend, { Name: 'data' });
    await keep(backend, 'data', 'read');
    const [mine] = await helpers(backend);
    expect(mine!.Labels?.[OWNER]).toBe(WINDOW);
    await sweep(backend, mine!.Created * 1000 + HOUR);
    expect(await containers.list(backend, { all: true })).toHaveLength(before.length + 1);
  });

  it('take the image with them that was made for them', async () => {
    const engine = new FakeEngine({ seed: 1 });
    let labels: Record<string, string> = {};
    // What the simulated engine does not: the labels that an import is given.
    const backend: Backend = {
      upgrade: (request) => engine.upgrade(request),
      request: async (request) => {
        const { pathname, searchParams } = new URL(request.path, 'http://engine');
        if (pathname === '/images/create')
          labels = Object.fromEntries(
            searchParams
              .getAll('changes')
              .map((line) => /^LABEL ([^=]+)=(.*)$/.exec(line)!.slice(1) as [string, string]),
          );
        if (pathname !== '/images/json') return engine.request(request);
        const found = (await images.list(engine)) as ImageSummary[];
        const body = JSON.stringify(found.map((one) => ({ ...one, Labels: labels })));
        return { status: 200, headers: {}, body: new Response(body).body! };
      },
    };
    await volumes.create(backend, { Name: 'data' });
    const keeper = await keep(backend, 'data', 'read');
    expect(labels).toEqual({ [HELPER]: 'scratch', [OWNER]: WINDOW });
    labels = { [HELPER]: 'scratch', [OWNER]: 'another window' };
    const [image] = await images.list(engine);
    await sweep(backend, image!.Created * 1000 + HOUR);
    expect(await images.list(engine)).toHaveLength(1);
    await containers.remove(engine, keeper.id);
    await sweep(backend, image!.Created * 1000 + HOUR);
    expect(await images.list(engine)).toEqual([]);
  });

  it('go with the window', async () => {
    const backend = scene('busy');
    await volumes.create(backend, { Name: 'data' });
    await keep(backend, 'data', 'read');
    window.dispatchEvent(new Event('pagehide'));
    await vi.waitFor(async () => expect(await helpers(backend)).toEqual([]));
  });
});

describe('the image made for keepers', () => {
  const made = async () => {
    const backend = new FakeEngine({ seed: 1 });
    await volumes.create(backend, { Name: 'data' });
    return backend;
  };

  it('goes with the last of them', async () => {
    const backend = await made();
    const first = await keep(backend, 'data', 'read');
    const second = await keep(backend, 'data', 'read');
    await first.close();
    expect(await images.list(backend)).toHaveLength(1);
    await second.close();
    expect(await images.list(backend)).toEqual([]);
  });

  it('is made anew when it went in the meantime', async () => {
    const backend = await made();
    const first = await keep(backend, 'data', 'read');
    let closed = false;
    const raced: Backend = {
      upgrade: (request) => backend.upgrade(request),
      request: async (request) => {
        if (request.path.startsWith('/containers/create') && !closed) {
          closed = true;
          await first.close();
        }
        return backend.request(request);
      },
    };
    const second = await keep(raced, 'data', 'read');
    await second.close();
    expect([await helpers(backend), await images.list(backend)]).toEqual([[], []]);
  });
});
