// @vitest-environment node
import { expect, test } from 'vitest';
import type { VolumeList } from '$lib/api/generated';
import { filtered } from './client';
import { contract } from './engines';
import { expectShape } from './shapes';

contract('volumes', (client) => {
  test('are made once, listed and inspected in dockerd’s shapes', async () => {
    const name = client.name('v');
    client.later(() => client.say('DELETE', `/volumes/${name}`));
    const made = await client.say('POST', '/volumes/create', { Name: name });
    expect(made.status).toBe(201);
    expectShape('volume', made.body);
    expect((await client.say('POST', '/volumes/create', { Name: name })).body).toEqual(made.body);
    const { body: list } = await client.ok('GET', `/volumes?${filtered({ name: [`^${name}$`] })}`);
    expectShape('volumes', list);
    expect((list as VolumeList).Volumes).toEqual([made.body]);
    expect((await client.ok('GET', `/volumes/${name}`)).body).toEqual(made.body);
    expect(made.body.Mountpoint).toMatch(new RegExp(`/volumes/${name}/_data$`));
    expect((await client.say('DELETE', `/volumes/${name}`)).status).toBe(204);
    expect(await client.refused('DELETE', `/volumes/${name}`)).toEqual([404, `get ${name}: no such volume`]);
    expect((await client.say('DELETE', `/volumes/${name}?force=1`)).status).toBe(204);
  });

  test('keep what containers write, and go when nobody has them', async () => {
    const volume = await client.volume();
    const Binds = { Binds: [`${volume}:/v`] };
    await client.ran(['sh', '-c', 'echo kept > /v/file'], { HostConfig: Binds });
    const second = await client.ran(['cat', '/v/file'], { HostConfig: Binds });
    const holders = (await client.refused('DELETE', `/volumes/${volume}`)) as [number, string];
    expect(holders[0]).toBe(409);
    expect(holders[1]).toMatch(new RegExp(`^remove ${volume}: volume is in use - \\[[0-9a-f, ]+\\]$`));
    expect(holders[1]).toContain(second);
    const { body } = await client.ok('GET', `/system/df?type=volume`);
    const usage = (body.Volumes as VolumeList['Volumes']).find((one) => one.Name === volume)!;
    expectShape('df volume', usage, ['.Labels']);
    expect(usage.UsageData).toMatchObject({ RefCount: 2 });
    expect(usage.UsageData!.Size).toBeGreaterThanOrEqual(5);
    const [mount] = (await client.inspect(second)).Mounts;
    expect(mount).toMatchObject({
      Type: 'volume',
      Name: volume,
      Destination: '/v',
      Driver: 'local',
      Mode: 'z',
      RW: true,
    });
  });

  test('without a name go with their container when that is asked for', async () => {
    const id = await client.create({ Volumes: { '/data': {} } });
    const [mount] = (await client.inspect(id)).Mounts;
    expect(mount!.Name).toMatch(/^[0-9a-f]{64}$/);
    const { body } = await client.ok('GET', `/volumes/${mount!.Name!}`);
    expect(body.Labels).toEqual({ 'com.docker.volume.anonymous': '' });
    await client.ok('DELETE', `/containers/${id}?v=1`);
    expect((await client.refused('GET', `/volumes/${mount!.Name!}`))[0]).toBe(404);
  });

  test('are pruned with and without names', async () => {
    const label = client.name('prune');
    const name = await client.volume(client.name('v'), { Labels: { [label]: '' } });
    const listener = await client.listen({ type: ['volume'] });
    const { body: none } = await client.ok('POST', `/volumes/prune?${filtered({ label: [label] })}`);
    expectShape('volumes pruned: none', none);
    const { body } = await client.ok('POST', `/volumes/prune?${filtered({ label: [label], all: ['true'] })}`);
    expect(body.VolumesDeleted).toEqual([name]);
    const events = await listener.until((events) => events.some((event) => event.Action === 'destroy'));
    expect(events.map((event) => event.Action)).toEqual(['prune', 'destroy']);
    expect(events[0]!.Actor).toEqual({ ID: '', Attributes: { reclaimed: '0' } });
  });

  test('that nobody uses are told apart', async () => {
    const [used, unused] = [await client.volume(), await client.volume()];
    await client.create({ HostConfig: { Binds: [`${used}:/v`] } });
    const dangling = async (wanted: string) =>
      ((await client.ok('GET', `/volumes?${filtered({ dangling: [wanted] })}`)).body as VolumeList).Volumes.map(
        (volume) => volume.Name,
      );
    expect(await dangling('true')).toContain(unused);
    expect(await dangling('true')).not.toContain(used);
    expect(await dangling('false')).toContain(used);
  });
});
