import { describe, expect, it } from 'vitest';
import { answer, Scripted } from '$lib/backend/scripted';
import * as archive from './archive';
import * as builds from './builds';
import { Refused } from './call';
import * as containers from './containers';
import * as images from './images';
import * as networks from './networks';
import * as system from './system';
import * as volumes from './volumes';

/** Any request, answered; and what it was. */
async function sent(job: (backend: Scripted) => Promise<unknown>, status = 200, body: unknown = {}) {
  const backend = new Scripted({});
  backend.request = (request) => {
    backend.requests.push(request);
    return Promise.resolve(answer(status, body));
  };
  const result = await job(backend).catch((error: unknown) => error);
  const { method, path, body: sentBody } = backend.requests[0]!;
  return { request: `${method} ${decodeURIComponent(path).replaceAll('+', ' ')}`, path, sentBody, result };
}

describe('requests', () => {
  it('have the paths and parameters of the Engine API', async () => {
    const check = async (job: (backend: Scripted) => Promise<unknown>, request: string) =>
      expect((await sent(job)).request).toBe(request);
    await check((to) => containers.list(to, { all: true }), 'GET /containers/json?all=true');
    await check(
      (to) => containers.list(to, { filters: { label: ['a=b'], status: [] } }),
      'GET /containers/json?filters={"label":["a=b"]}',
    );
    await check((to) => builds.list(to), 'GET /berth/builds');
    await check((to) => builds.inspect(to, 'a b'), 'GET /berth/builds/a b');
    await check((to) => builds.logs(to, 'r'), 'GET /berth/builds/r/logs');
    await check(
      (to) => builds.logs(to, 'r', { follow: true, vertex: 'sha256:a' }),
      'GET /berth/builds/r/logs?follow=1&vertex=sha256:a',
    );
    await check((to) => builds.remove(to, 'r'), 'DELETE /berth/builds/r');
    await check(
      (to) => containers.stop(to, 'c', { seconds: 3, send: 'INT' }),
      'POST /containers/c/stop?t=3&signal=INT',
    );
    await check(
      (to) => containers.remove(to, 'c', { force: true, volumes: true }),
      'DELETE /containers/c?force=true&v=true',
    );
    await check(
      (to) => containers.statsOnce(to, 'c', { rates: false }),
      'GET /containers/c/stats?stream=false&one-shot=true',
    );
    await check((to) => containers.resize(to, 'c', { rows: 24, columns: 80 }), 'POST /containers/c/resize?h=24&w=80');
    await check((to) => images.inspect(to, 'localhost:5000/a/b:1'), 'GET /images/localhost:5000/a/b:1/json');
    await check((to) => images.save(to, ['a:1', 'b']), 'GET /images/get?names=a:1&names=b');
    await check(
      (to) => volumes.list(to, { filters: { dangling: ['true'] } }),
      'GET /volumes?filters={"dangling":["true"]}',
    );
    await check((to) => networks.disconnect(to, 'n', { Container: 'c' }), 'POST /networks/n/disconnect');
    await check((to) => system.df(to, { types: ['image', 'volume'] }), 'GET /system/df?type=image&type=volume');
  });

  it('keep what is in a name out of the path around it', async () => {
    expect((await sent((to) => volumes.inspect(to, 'a/../b?c#d'))).path).toBe('/volumes/a%2F..%2Fb%3Fc%23d');
    expect((await sent((to) => images.history(to, 'a b?c'))).path).toBe('/images/a%20b%3Fc/history');
  });

  it('say the engine’s words when it refuses', async () => {
    const { result } = await sent((to) => containers.inspect(to, 'x'), 404, { message: 'No such container: x' });
    expect(result).toBeInstanceOf(Refused);
    expect(result).toMatchObject({ status: 404, message: 'No such container: x' });
  });

  it('tell a start that did nothing from one that did', async () => {
    expect((await sent((to) => containers.start(to, 'c'), 204, undefined)).result).toBe(true);
    expect((await sent((to) => containers.start(to, 'c'), 304, undefined)).result).toBe(false);
  });

  it('have a list where the engine says null', async () => {
    expect((await sent((to) => containers.changes(to, 'c'), 200, null)).result).toEqual([]);
    expect((await sent((to) => volumes.list(to), 200, { Volumes: null })).result).toEqual([]);
  });
});

describe('archive', () => {
  const header = (stat: object) => btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(stat))));

  it('reads what is at a path, names of any script among it', async () => {
    const stat = { name: '文件.txt', size: 3 };
    const backend = new Scripted({
      '/containers/c/archive': () => answer(200, undefined, { 'x-docker-container-path-stat': header(stat) }),
    });
    expect(await archive.head(backend, 'c', '/文件.txt')).toEqual(stat);
  });

  it('gets the words that an answer to HEAD cannot hold', async () => {
    const backend = new Scripted({
      '/containers/c/archive': (request) => answer(404, request.method === 'HEAD' ? '' : { message: 'no such file' }),
    });
    await expect(archive.head(backend, 'c', '/x')).rejects.toMatchObject({ status: 404, message: 'no such file' });
  });
});
