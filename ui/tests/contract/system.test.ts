// @vitest-environment node
import { expect, test } from 'vitest';
import type { DiskUsage, EventMessage } from '$lib/api/generated';
import { filtered } from './client';
import { contract } from './engines';
import { expectShape } from './shapes';

contract('the engine as a whole', (client) => {
  test('answers a ping with what clients look for', async () => {
    const answer = await client.say('GET', '/_ping');
    expect([answer.status, answer.text]).toEqual([200, 'OK']);
    const head = await client.say('HEAD', '/_ping');
    expect([head.status, head.text]).toEqual([200, '']);
    for (const { headers } of [answer, head]) {
      expect(headers).toMatchObject({
        'api-version': '1.51',
        ostype: 'linux',
        'builder-version': '2',
        'docker-experimental': 'false',
        swarm: 'inactive',
        'cache-control': 'no-cache, no-store, must-revalidate',
        'content-type': 'text/plain; charset=utf-8',
      });
    }
  });

  test('says who it is', async () => {
    const { body: version } = await client.ok('GET', '/version');
    expectShape('version', version);
    expect(version.Components.map((component: { Name: string }) => component.Name)).toEqual(['Engine', 'Berth']);
    const { body: info } = await client.ok('GET', '/info');
    expectShape('info', info);
    expect(info).toMatchObject({ Driver: 'overlay2', OSType: 'linux', CgroupVersion: '2', DefaultRuntime: 'runc' });
    expect((await client.say('GET', '/v1.44/version')).status).toBe(200);
  });

  test('tells what takes how much room', async () => {
    const id = await client.ran(['sh', '-c', 'echo something > /written']);
    const { body } = await client.ok('GET', '/system/df');
    expectShape('df', body);
    const usage = body as DiskUsage;
    const container = usage.Containers!.find((one) => one.Id === id)!;
    expect(container.SizeRw).toBeGreaterThanOrEqual(10);
    expect(container.SizeRootFs).toBeGreaterThan(container.SizeRw!);
    const image = usage.Images!.find((one) => one.RepoTags?.includes('busybox:latest'))!;
    expectShape('df image', image, ['.Labels', '.RepoDigests']);
    expect(image.Containers).toBeGreaterThanOrEqual(1);
    expect(usage.LayersSize).toBeGreaterThanOrEqual(image.Size);
    const { body: volumes } = await client.ok('GET', '/system/df?type=volume');
    expect([volumes.Images, volumes.Containers, volumes.BuildCache]).toEqual([null, null, null]);
    expect(await client.refused('GET', '/system/df?type=x')).toEqual([400, 'unknown object type: x']);
  });

  test('remembers what happened', async () => {
    const name = client.name('remembered');
    const id = await client.create({}, name);
    const past = async (query: string) => {
      const { text } = await client.ok('GET', `/events?until=${Math.floor(Date.now() / 1000)}.999999999&${query}`);
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as EventMessage);
    };
    expect((await past(`since=0&${filtered({ container: [name] })}`)).map((event) => event.Action)).toEqual(['create']);
    expect(await past(`since=0&${filtered({ container: [id.slice(0, 12)], event: ['start'] })}`)).toEqual([]);
    expect(await past(`since=0&${filtered({ container: [id], type: ['network'] })}`)).toEqual([]);
    const [event] = await past(filtered({ container: [id], label: ['contract'] }));
    expect(event!.timeNano / 1e9).toBeCloseTo(event!.time, -1);
    expect(event!.from).toBe('busybox');
    const [status, words] = await client.refused('GET', '/events?since=2&until=1');
    expect([status, words]).toEqual([400, '`since` time (2) cannot be after `until` time (1)']);
  });

  test('gives the session of a build a connection of its own only', async () => {
    expect(await client.refused('POST', '/session')).toEqual([500, 'no upgrade proto in request']);
    expect((await client.ok('POST', '/build/prune')).body).toEqual({ CachesDeleted: null, SpaceReclaimed: 0 });
  });

  test('knows no other pages', async () => {
    expect(await client.refused('GET', '/nowhere')).toEqual([404, 'page not found']);
    expect(await client.refused('POST', '/_ping')).toEqual([404, 'page not found']);
  });
});
