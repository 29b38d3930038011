// @vitest-environment node
import { expect, test } from 'vitest';
import type { NetworkInspect } from '$lib/api/generated';
import { filtered } from './client';
import { contract } from './engines';
import { expectShape } from './shapes';

contract('networks', (client) => {
  test('are made, listed and inspected in dockerd’s shapes', async () => {
    const name = client.name('n');
    const id = await client.network(name);
    expect(await client.refused('POST', '/networks/create', { Name: name })).toEqual([
      409,
      `network with name ${name} already exists`,
    ]);
    const listed = (await client.ok('GET', `/networks?${filtered({ name: [name] })}`)).body as NetworkInspect[];
    expect(listed).toHaveLength(1);
    // Those of the recording are `host`, which has no subnets.
    expectShape('network listed', listed[0], ['.IPAM.Config']);
    const { body } = await client.ok('GET', `/networks/${id}`);
    expect(body).toEqual(listed[0]);
    expect(body).toMatchObject({
      Name: name,
      Driver: 'bridge',
      Scope: 'local',
      IPAM: { Driver: 'default' },
      Containers: {},
    });
    expect(body.IPAM.Config).toEqual([
      {
        Subnet: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+\/\d+$/) as string,
        ...(body.IPAM.Config[0].Gateway ? { Gateway: body.IPAM.Config[0].Gateway } : {}),
      },
    ]);
    expect((await client.ok('GET', `/networks/${id.slice(0, 12)}`)).body.Id).toBe(id);
    for (const own of ['bridge', 'host', 'none'])
      expect((await client.ok('GET', `/networks/${own}`)).body.Name).toBe(own);
    expectShape('network', (await client.ok('GET', '/networks/host')).body);
  });

  test('have containers as long as those run', async () => {
    const network = await client.network(client.name('n'), { IPAM: { Config: [{ Subnet: '10.231.7.0/24' }] } });
    const name = client.name('member');
    const id = await client.run(
      {
        HostConfig: { NetworkMode: network },
        NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: ['db'] } } },
      },
      name,
    );
    const { body } = await client.ok('GET', `/networks/${network}`);
    expect(Object.keys(body.Containers)).toEqual([id]);
    expect(body.Containers[id]).toMatchObject({ Name: name, IPv4Address: '10.231.7.2/24' });
    expect(body.IPAM.Config).toEqual([{ Subnet: '10.231.7.0/24' }]);
    const [settings] = Object.values((await client.inspect(id)).NetworkSettings.Networks!);
    expectShape('network of a container', settings, ['.Aliases', '.DNSNames']);
    expect(settings).toMatchObject({
      NetworkID: network,
      IPAddress: '10.231.7.2',
      IPPrefixLen: 24,
      Gateway: '10.231.7.1',
    });
    expect(settings!.DNSNames).toEqual([name, 'db', id.slice(0, 12)]);
    const [status, words] = await client.refused('DELETE', `/networks/${network}`);
    expect(status).toBe(403);
    expect(words).toBe(
      `error while removing network: network ${body.Name} has active endpoints (name:"${name}" id:"${settings!.EndpointID.slice(0, 12)}")`,
    );
    await client.ok('POST', `/containers/${id}/kill`);
    expect((await client.ok('GET', `/networks/${network}`)).body.Containers).toEqual({});
    expect((await client.say('DELETE', `/networks/${network}`)).status).toBe(204);
  });

  test('are joined and left while containers run', async () => {
    const name = client.name('n');
    const network = await client.network(name);
    const id = await client.run();
    const listener = await client.listen({ type: ['network'] });
    expect((await client.say('POST', `/networks/${network}/connect`, { Container: id })).status).toBe(200);
    const again = await client.refused('POST', `/networks/${network}/connect`, { Container: id });
    expect(again[0]).toBe(403);
    expect(again[1]).toMatch(/^endpoint with name contract-c-.* already exists in network /);
    expect(Object.keys((await client.inspect(id)).NetworkSettings.Networks!).toSorted()).toEqual(
      ['bridge', name].toSorted(),
    );
    expect((await client.say('POST', `/networks/${network}/disconnect`, { Container: id })).status).toBe(200);
    expect(await client.refused('POST', `/networks/${network}/disconnect`, { Container: id })).toEqual([
      500,
      `container ${id} is not connected to network ${name}`,
    ]);
    const events = await listener.until((events) => events.length >= 2);
    expect(events.map((event) => [event.Action, event.Actor.ID, event.Actor.Attributes])).toEqual([
      ['connect', network, { container: id, name, type: 'bridge' }],
      ['disconnect', network, { container: id, name, type: 'bridge' }],
    ]);
  });

  test('are chosen by filters', async () => {
    const label = client.name('label');
    const name = client.name('n');
    await client.network(name, { Labels: { [label]: 'x' } });
    const chosen = async (filters: Record<string, string[]>) =>
      ((await client.ok('GET', `/networks?${filtered(filters)}`)).body as NetworkInspect[]).map(
        (network) => network.Name,
      );
    expect(await chosen({ label: [label] })).toEqual([name]);
    expect(await chosen({ label: [`${label}=y`] })).toEqual([]);
    expect(await chosen({ type: ['builtin'] })).toEqual(['bridge', 'host', 'none']);
    expect(await chosen({ driver: ['null'] })).toEqual(['none']);
    expect(await chosen({ dangling: ['true'], label: [label] })).toEqual([name]);
    expect(await client.refused('GET', `/networks?${filtered({ type: ['x'] })}`)).toEqual([
      400,
      "invalid filter: 'type'='x'",
    ]);
  });

  test('overlap no other', async () => {
    await client.network(client.name('n'), { IPAM: { Config: [{ Subnet: '10.231.8.0/24' }] } });
    const overlapping = { Name: client.name('n'), IPAM: { Config: [{ Subnet: '10.231.8.128/25' }] } };
    expect(await client.refused('POST', '/networks/create', overlapping)).toEqual([
      403,
      'invalid pool request: Pool overlaps with other one on this address space',
    ]);
  });

  test('are pruned', async () => {
    const label = client.name('prune');
    expectShape(
      'networks pruned: none',
      (await client.ok('POST', `/networks/prune?${filtered({ label: [label] })}`)).body,
    );
    const name = client.name('n');
    await client.network(name, { Labels: { [label]: '' } });
    const listener = await client.listen({ type: ['network'] });
    expect((await client.ok('POST', `/networks/prune?${filtered({ label: [label] })}`)).body).toEqual({
      NetworksDeleted: [name],
    });
    const events = await listener.until((events) => events.some((event) => event.Action === 'prune'));
    expect(events.map((event) => event.Action)).toEqual(['destroy', 'prune']);
  });
});
