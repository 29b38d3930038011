import { beforeEach, describe, expect, it } from 'vitest';
import { Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import type { ContainerInspect, ImageInspect } from '$lib/api/generated';
import * as images from '$lib/api/images';
import { ManualClock } from '$lib/backend/fake/core/clock';
import type { FakeEngine } from '$lib/backend/fake/engine';
import { scene } from '$lib/backend/fake/scenes';
import { parsePorts, portLines } from './ports';
import { NotReplaced, recreate, type Step } from './recreate';
import { request } from './request';
import { isSecret } from '$lib/kit/secret';
import { parseSize, settings, sizeWords, update } from './update';

let engine: FakeEngine;
let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
  engine = scene('busy', { clock });
});

/** Lets the engine's time pass until `job` is done: to stop a container takes some. */
async function passing<T>(job: Promise<T>): Promise<T> {
  let done = false;
  const over = () => (done = true);
  job.then(over, over);
  while (!done) await clock.advance(100);
  return job;
}

const inspect = (name: string) => containers.inspect(engine, name);
const imageOf = (container: ContainerInspect) => images.inspect(engine, container.Image);
const names = async () =>
  (await containers.list(engine, { all: true }))
    .map((one) => one.Names[0]!.slice(1))
    .filter((name) => name.startsWith('shop-db'));

describe('request', () => {
  it('leaves to the image what is the image’s', async () => {
    const old = await inspect('shop-db-1');
    const image = await imageOf(old);
    const wanted = request(old, image, {});
    for (const one of image.Config?.Env ?? []) expect(wanted.Env).not.toContain(one);
    expect(wanted.Env).toEqual(expect.arrayContaining(['POSTGRES_USER=shop']));
    expect(wanted.Cmd).toBeUndefined();
    expect(wanted.Hostname).toBe('');
    expect(Object.keys(wanted.NetworkingConfig!.EndpointsConfig!)).toEqual(['shop_backend']);
    expect(wanted.NetworkingConfig!.EndpointsConfig!.shop_backend!.Aliases ?? []).not.toContain(old.Id.slice(0, 12));
  });

  it('takes out the image’s variables that the container was without', () => {
    const image = { Config: { Env: ['A=1', 'B=2'] } } as ImageInspect;
    const old = sample({ Config: { Env: ['A=1', 'C=3'] } });
    expect(request(old, image, {}).Env).toEqual(['C=3', 'B']);
    expect(request(old, image, { env: ['A=9'] }).Env).toEqual(['A=9', 'B']);
    expect(request(old, undefined, {}).Env).toEqual(['A=1', 'C=3']);
  });

  it('keeps a command with its entrypoint', () => {
    const image = { Config: { Entrypoint: ['/e'], Cmd: ['c'] } } as ImageInspect;
    const of = (Entrypoint: string[], Cmd: string[]) => {
      const { Entrypoint: entry, Cmd: cmd } = request(sample({ Config: { Entrypoint, Cmd } }), image, {});
      return [entry, cmd];
    };
    expect(of(['/e'], ['c'])).toEqual([undefined, undefined]);
    expect(of(['/e'], ['other'])).toEqual([undefined, ['other']]);
    expect(of(['/mine'], ['c'])).toEqual([['/mine'], ['c']]);
  });

  it('carries volumes over that nobody named', () => {
    const mounts = [
      { Type: 'volume', Name: 'a'.repeat(64), Source: '', Destination: '/data', Mode: '', RW: true, Propagation: '' },
      { Type: 'volume', Name: 'named', Source: '', Destination: '/named', Mode: '', RW: true, Propagation: '' },
    ];
    const old = sample({ Mounts: mounts, HostConfig: { Binds: ['named:/named'] } });
    expect(request(old, undefined, {}).HostConfig!.Binds).toEqual(['named:/named', `${'a'.repeat(64)}:/data`]);
  });

  it('carries volumes over that were mounted without a name', () => {
    const at = (Destination: string, Type = 'volume', Name?: string) => ({
      ...{ Type, Name, Source: '/somewhere', Destination, Mode: '', RW: true, Propagation: '' },
    });
    const old = sample({
      Mounts: [at('/data', 'volume', 'f00d'), at('/named', 'volume', 'mine'), at('/tmp', 'tmpfs'), at('/own', 'bind')],
      HostConfig: {
        Mounts: [
          { Type: 'volume', Target: '/data/', VolumeOptions: { NoCopy: true } },
          { Type: 'volume', Source: 'mine', Target: '/named' },
          { Type: 'tmpfs', Target: '/tmp' },
          { Type: 'bind', Source: '/home', Target: '/own' },
        ],
      },
    });
    const { Binds, Mounts } = request(old, undefined, {}).HostConfig!;
    expect(Binds ?? []).toEqual([]);
    expect(Mounts).toEqual([
      { Type: 'volume', Source: 'f00d', Target: '/data/', VolumeOptions: { NoCopy: true } },
      ...old.HostConfig.Mounts!.slice(1),
    ]);
  });

  it.each([
    ['bridge first', 'bridge', ['bridge', 'other'], ['bridge', 'other']],
    ['bridge connected later', 'other', ['other', 'bridge'], ['other', 'bridge']],
    ['bridge alone', 'bridge', ['bridge'], []],
    ['the host’s', 'host', ['host'], []],
    ['another container’s', 'container:c', ['other'], []],
  ])('keeps the networks: %s', (_, NetworkMode, on, kept) => {
    const old = sample({
      HostConfig: { NetworkMode },
      Networks: Object.fromEntries(on.map((name) => [name, { Aliases: null, IPAddress: '172.17.0.2' }])),
    });
    expect(Object.keys(request(old, undefined, {}).NetworkingConfig!.EndpointsConfig!)).toEqual(kept);
  });

  it('asks of the bridge nothing that it refuses', () => {
    const bridge = { IPAMConfig: { IPv4Address: '172.17.0.9' }, Aliases: ['a'], Links: ['b'], GwPriority: 2 };
    const old = sample({ Networks: { bridge, other: {} } });
    const made = request(old, undefined, {}).NetworkingConfig!.EndpointsConfig!.bridge;
    expect(JSON.parse(JSON.stringify(made))).toEqual({ GwPriority: 2 });
  });

  it('keeps a MAC address that does not come of an address of the network', () => {
    const mac = (IPAddress: string, MacAddress: string, network = 'other') => {
      const old = sample({ HostConfig: { NetworkMode: network }, Networks: { [network]: { IPAddress, MacAddress } } });
      return request(old, undefined, {}).NetworkingConfig!.EndpointsConfig![network]?.MacAddress;
    };
    expect(mac('10.1.0.254', '02:00:00:00:00:01')).toBe('02:00:00:00:00:01');
    // The next container that gets 10.1.0.254 gets this one.
    expect(mac('10.1.0.254', '02:42:0a:01:00:fe')).toBeUndefined();
    expect(mac('', '')).toBeUndefined();
    expect(mac('172.17.0.2', '02:00:00:00:00:01', 'bridge')).toBe('02:00:00:00:00:01');
    expect(mac('172.17.0.2', '02:42:AC:11:00:02', 'bridge')).toBeUndefined();
  });

  it('says the MAC address once', () => {
    const old = sample({
      Config: { MacAddress: '02:00:00:00:00:01' },
      HostConfig: { NetworkMode: 'other' },
      Networks: { other: { MacAddress: '02:00:00:00:00:01' }, more: { MacAddress: '02:00:00:00:00:02' } },
    });
    const made = request(old, undefined, {});
    expect(made.MacAddress).toBe('02:00:00:00:00:01');
    const { other, more } = made.NetworkingConfig!.EndpointsConfig!;
    expect([other!.MacAddress, more!.MacAddress]).toEqual([undefined, '02:00:00:00:00:02']);
  });

  it('unexposes a port that was exposed by being published', () => {
    const old = sample({
      Config: { ExposedPorts: { '80/tcp': {}, '90/tcp': {} } },
      HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }] } },
    });
    const wanted = request(old, undefined, { ports: { '70/tcp': [{ HostIp: '', HostPort: '7070' }] } });
    expect(Object.keys(wanted.ExposedPorts!).sort()).toEqual(['70/tcp', '90/tcp']);
    expect(wanted.HostConfig!.PortBindings).toEqual({ '70/tcp': [{ HostIp: '', HostPort: '7070' }] });
  });
});

describe('recreate', () => {
  async function run(name: string, changes: Parameters<typeof request>[2] = {}) {
    const old = await inspect(name);
    const steps: Step[] = [];
    const wanted = request(old, await imageOf(old), changes);
    const outcome = passing(recreate(engine, old, wanted, (step) => steps.push(step)));
    // Looked at by the test, which may first do something else.
    outcome.catch(() => undefined);
    return { old, steps, outcome };
  }

  it('puts a new container in the place of the old one', async () => {
    const { old, steps, outcome } = await run('shop-db-1', { env: ['POSTGRES_USER=other'] });
    const { id, left } = await outcome;
    expect(steps).toEqual(['create', 'stop', 'renameOld', 'renameNew', 'start', 'remove']);
    expect(left).toBeUndefined();
    const now = await inspect('shop-db-1');
    expect(now.Id).toBe(id);
    expect(now.State.Running).toBe(true);
    expect(now.Config.Env).toContain('POSTGRES_USER=other');
    expect(now.Mounts.map(({ Name }) => Name)).toEqual(old.Mounts.map(({ Name }) => Name));
    await expect(inspect(old.Id)).rejects.toBeInstanceOf(Refused);
  });

  it('keeps the bridge beside another network', async () => {
    const { Image } = (await inspect('shop-db-1')).Config;
    const EndpointsConfig = { bridge: {}, shop_backend: {} };
    await containers.create(engine, { Image, NetworkingConfig: { EndpointsConfig } }, { name: 'between' });
    await containers.start(engine, 'between');
    const { outcome } = await run('between');
    await outcome;
    const { NetworkSettings } = await inspect('between');
    expect(Object.keys(NetworkSettings.Networks!).sort()).toEqual(['bridge', 'shop_backend']);
  });

  it('keeps a volume that was mounted without a name', async () => {
    const { Image } = (await inspect('shop-db-1')).Config;
    const made = { Image, HostConfig: { Mounts: [{ Type: 'volume', Target: '/kept' }] } };
    await containers.create(engine, made, { name: 'unnamed' });
    const { old, outcome } = await run('unnamed');
    await outcome;
    const volume = ({ Mounts }: ContainerInspect) => Mounts.find((mount) => mount.Destination === '/kept')?.Name;
    expect(volume(old)).toBeTruthy();
    expect(volume(await inspect('unnamed'))).toBe(volume(old));
  });

  it('does not start what did not run', async () => {
    const { steps, outcome } = await run('blog-db-1');
    await outcome;
    expect(steps).toEqual(['create', 'renameOld', 'renameNew', 'remove']);
    expect((await inspect('blog-db-1')).State.Running).toBe(false);
  });

  it.each([
    ['create', /^\/containers\/create/],
    ['stop', /^\/containers\/[^/]+\/stop/],
    ['renameOld', /^\/containers\/[^/]+\/rename.*-old-/],
    ['start', /^\/containers\/[^/]+\/start/],
  ] as const)('puts the old one back when it fails at %s', async (step, path) => {
    const { old, outcome } = await (async () => {
      engine.fail({ path, status: 500, message: 'the engine said no', times: 1 });
      return run('shop-db-1');
    })();
    const error = await outcome.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(NotReplaced);
    expect(error).toMatchObject({
      step,
      undone: [],
      cause: expect.objectContaining({ message: 'the engine said no' }),
    });
    const now = await inspect('shop-db-1');
    expect([now.Id, now.State.Running]).toEqual([old.Id, true]);
    expect(await names()).toEqual(['shop-db-1']);
  });

  it('says what it could not put back', async () => {
    engine.fail({ path: /\/start/, status: 500, message: 'no start' });
    const { outcome } = await run('shop-db-1');
    await expect(outcome).rejects.toMatchObject({ step: 'start', undone: [{ what: 'startOld', name: 'shop-db-1' }] });
  });

  it('keeps the new one when only the old one cannot be removed', async () => {
    const { old, outcome } = await run('shop-db-1');
    engine.fail({
      path: new RegExp(`^/containers/${old.Id}`),
      method: 'DELETE',
      status: 500,
      message: 'busy',
      times: 1,
    });
    const { id, left } = await outcome;
    expect(left).toMatchObject({ name: `shop-db-1-old-${old.Id.slice(0, 8)}` });
    expect((await inspect('shop-db-1')).Id).toBe(id);
  });
});

describe('ports', () => {
  it('are written as they are read', () => {
    const lines = ['8080:80', '127.0.0.1:53:53/udp', '[::1]:1:1', '90', '127.0.0.1::91'];
    const parsed = parsePorts(lines);
    expect(parsed).toEqual({
      '80/tcp': [{ HostIp: '', HostPort: '8080' }],
      '53/udp': [{ HostIp: '127.0.0.1', HostPort: '53' }],
      '1/tcp': [{ HostIp: '::1', HostPort: '1' }],
      '90/tcp': [{ HostIp: '', HostPort: '' }],
      '91/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }],
    });
    expect(portLines(parsed as Parameters<typeof portLines>[0]).sort()).toEqual(lines.sort());
  });

  it.each(['x', '80:', ':80:80:80', '99999', '0:80', '80/icmp', '8080:80 x'])('refuse %s', (line) =>
    expect(parsePorts(['80', line])).toEqual({ bad: line }),
  );
});

describe('isSecret', () => {
  it.each([
    ['POSTGRES_PASSWORD', 'x', true],
    ['MY_API_KEY', 'abc', true],
    ['DATABASE_URL', 'postgres://u:p@h/d', true],
    ['DATABASE_URL', 'postgres://h/d', false],
    ['POSTGRES_PASSWORD_FILE', '/run/secrets/p', false],
    ['PASSWORD', '', false],
    ['KEYBOARD', 'us', false],
    ['PATH', '/bin', false],
    ['AUTH', 'true', false],
  ])('%s=%s', (name, value, secret) => expect(isSecret(name, value)).toBe(secret));
});

describe('update', () => {
  const old = sample({
    HostConfig: {
      Memory: 512 * 1024 ** 2,
      MemorySwap: 1024 ** 3,
      NanoCpus: 1.5e9,
      PidsLimit: 100,
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
    },
  });
  it('asks for what differs alone', () => {
    const now = settings(old);
    expect(now).toEqual({ restart: 'on-failure', retries: '3', memory: '512m', cpus: '1.5', pids: '100' });
    expect(update(old, now)).toEqual({ request: {} });
    expect(update(old, { ...now, memory: '1g' })).toEqual({
      request: { Memory: 1024 ** 3, MemorySwap: 2 * 1024 ** 3 },
    });
    expect(update(old, { ...now, restart: 'always', cpus: '2', pids: '' })).toEqual({
      request: { RestartPolicy: { Name: 'always', MaximumRetryCount: 0 }, NanoCpus: 2e9, PidsLimit: -1 },
    });
  });

  it.each([
    ['none', 512, 0],
    ['as much again', 1024, 600],
    ['some', 612, 100],
    ['without limit', -1, undefined],
    ['not told', 0, 600],
  ])('keeps the swap: %s', (_, swap, kept) => {
    const M = 1024 ** 2;
    const limited = sample({ HostConfig: { Memory: 512 * M, MemorySwap: swap < 0 ? -1 : swap * M } });
    expect(update(limited, { ...settings(limited), memory: '600m' })).toEqual({
      request: { Memory: 600 * M, MemorySwap: kept === undefined ? -1 : (600 + kept) * M },
    });
  });

  it('says what is wrong', () => {
    const bad = { restart: 'on-failure' as const, retries: '-1', memory: '', cpus: 'many', pids: '0' };
    expect(update(old, bad)).toEqual({ mistakes: ['retries', 'memoryNotRemoved', 'cpus', 'pids'] });
    expect(update(old, { ...settings(old), memory: '1m' })).toEqual({ mistakes: ['memory'] });
  });

  it('reads and writes sizes', () => {
    expect(['1k', '1.5g', '10MB', '2 GiB', '5', 'x'].map(parseSize)).toEqual([
      1024,
      1.5 * 1024 ** 3,
      10 * 1024 ** 2,
      2 * 1024 ** 3,
      5,
      undefined,
    ]);
    expect([1024 ** 3, 1536 * 1024 ** 2, 1000].map(sizeWords)).toEqual(['1g', '1536m', '1000b']);
  });
});

type Parts = { Config?: object; HostConfig?: object; Networks?: object; Mounts?: ContainerInspect['Mounts'] };
function sample({ Config, HostConfig, Networks = {}, Mounts = [] }: Parts): ContainerInspect {
  const host = {
    NetworkMode: 'default',
    RestartPolicy: { Name: '', MaximumRetryCount: 0 },
    Memory: 0,
    NanoCpus: 0,
    PidsLimit: null,
  };
  return {
    Id: 'f'.repeat(64),
    Config: { Hostname: 'f'.repeat(12), Image: 'image', ...Config },
    HostConfig: { ...host, ...HostConfig },
    NetworkSettings: { Networks },
    Mounts,
  } as unknown as ContainerInspect;
}
