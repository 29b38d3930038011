// @vitest-environment node
/**
 * One list of cases for the simulated daemon and a real one. The simulated one is always held to it; a real one is when `BERTH_CONTROL`
 * names its control socket and `BERTH_ENGINE_AWAY` its engine socket, as
 *
 *   BERTH_HOME=/tmp/b berth daemon
 *   BERTH_CONTROL=/tmp/b/run/control.sock BERTH_ENGINE_AWAY=/tmp/b/run/engine.sock npx vitest run tests/contract/daemon
 *
 * It must be a new one whose machine cannot start: its setting `qemu` names a program that is not there. What cases set they take back.
 */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { text } from '$lib/api/call';
import * as api from '$lib/api/daemon';
import type { DaemonStatus, MachineStatus } from '$lib/api/generated/daemon';
import type { Backend, Request } from '$lib/backend/backend';
import { host } from '$lib/backend/fake/host';
import { KEYS } from '$lib/backend/fake/daemon/settings/keys';
import { Client } from './client';
import { SocketBackend } from './socket';

const CONTROL = process.env.BERTH_CONTROL;
const ENGINE = process.env.BERTH_ENGINE_AWAY;
const PATIENCE = { timeout: 60_000 };

describe('the simulated daemon', PATIENCE, () => {
  const { daemon, engine } = host('first');
  daemon!.machine.fail({ step: 'check', cause: 'cannot start /nowhere/qemu' });
  cases(daemon!, engine);
});
if (CONTROL && ENGINE)
  describe('the real daemon', PATIENCE, () => cases(new SocketBackend(CONTROL), new SocketBackend(ENGINE)));
// A run of everything holds a real one to them later (`tests/front_end` of the workspace).
else if (!process.env.BERTH_ENGINE_LATER)
  describe.skip('not run against a real daemon, BERTH_CONTROL names none', () =>
    test('the same cases', () => undefined));

async function all(statuses: AsyncIterable<MachineStatus>): Promise<MachineStatus[]> {
  const told: MachineStatus[] = [];
  for await (const status of statuses) told.push(status);
  return told;
}

// What a daemon tells of a machine that runs is recorded by the machine's own suite (`tests/machine/shape.rs`), and compared there.
test('the simulated daemon tells of a machine that runs what a real one does', async () => {
  const recorded = new URL('../../../tests/fixtures/status.json', import.meta.url);
  const { body } = await new Client(host('busy').daemon!).ok('GET', '/status');
  const status = body as DaemonStatus;
  expect(status.machine.phase).toBe('running');
  // The machines of the suites offer no addresses by name: they would be in each other's way.
  expect(status.web).toMatch(/^http:/);
  const told = shape({ ...status, web: null, machine: { ...status.machine, notes: [] } });
  expect(told).toEqual(JSON.parse(readFileSync(recorded, 'utf8')));
});

/** The kinds of all members, of lists those of their first. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])];
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, shape(member)]),
  );
}

function cases(daemon: Backend, engine: Backend): void {
  const client = new Client(daemon);
  afterEach(() => client.tidy());
  const get = (path: string): Request => ({ method: 'GET', path });
  const list = async () =>
    client.ok('GET', '/settings').then(({ body }) => body as Awaited<ReturnType<typeof api.settings>>);

  test('says who it is and how its machine is', async () => {
    expect(shape((await client.ok('GET', '/version')).body)).toEqual({
      open_files: 'number',
      pid: 'number',
      program: { fingerprint: ['number'], path: 'string' },
      version: 'string',
    });
    const { body, headers } = await client.ok('GET', '/status');
    expect(headers['content-type']).toBe('application/json');
    const status = body as DaemonStatus;
    expect(shape({ ...status, machine: undefined, daemon: undefined })).toEqual({
      daemon: 'undefined',
      daemon_started_at: 'number',
      engine_socket: 'string',
      forwards: [],
      guest: 'null',
      held: { disk: 'null', memory: 'null' },
      listening: [],
      machine: 'undefined',
      proxies: 'null',
      updates: { looked_at: 'null', newer: 'null', state: 'string', why: 'string' },
      web: 'null',
    });
    expect(status.updates!.state).toBe('unavailable');
    expect(Object.keys(status.machine).toSorted()).toEqual([
      'accelerator',
      'failure',
      'guest_version',
      'has_disk',
      'hypervisor',
      'hypervisor_pid',
      'image_version',
      'link',
      'notes',
      'paused',
      'phase',
      'reset',
      'start_milliseconds',
      'started_at',
      'steps',
      'trouble',
    ]);
  });

  test('has every setting, with the words of the table', async () => {
    const entries = await list();
    expect(entries.map(({ name, description, takes_effect }) => [name, description, takes_effect])).toEqual(
      KEYS.map(({ name, description, takes }) => [name, description, takes]),
    );
    // What follows the computer is another on another one; the rest is the same everywhere.
    const fixed = entries.filter(({ name }) => !['cpus', 'memory_mib'].includes(name));
    expect(fixed.map((entry) => [entry.name, entry.default])).toEqual(
      KEYS.filter(({ byDefault }) => typeof byDefault === 'string').map(({ name, byDefault }) => [name, byDefault]),
    );
    for (const entry of entries)
      expect(shape(entry)).toEqual({
        default: 'string',
        description: 'string',
        in_force: 'null',
        is_set: 'boolean',
        name: 'string',
        takes_effect: 'string',
        value: 'string',
      });
  });

  test.each([
    ['disk_gib', '80', '80'],
    ['link', ' serial ', 'serial'],
    ['accelerator', 'tcg', 'tcg'],
    ['network', 'nic', 'nic'],
    ['accelerator_order', 'kvm , tcg,', 'kvm,tcg'],
    ['boot_deadline', '1500ms', '1500ms'],
    ['boot_deadline', '2m', '120s'],
    ['engine_deadline', '3000ms', '3s'],
    ['registry_mirrors', 'https://a.example, http://b.example:5000/x', 'https://a.example,http://b.example:5000/x'],
    ['insecure_registries', 'reg.example:5000,10.0.0.0/8,[fd00::1]:80', 'reg.example:5000,10.0.0.0/8,[fd00::1]:80'],
    ['http_proxy', 'http://u:hunter2@p:1', 'http://xxxxx:xxxxx@p:1'],
    ['no_proxy', 'a.example, .b.example', 'a.example,.b.example'],
    ['container_https_proxy', 'http://u:hunter2@p:1', 'http://xxxxx:xxxxx@p:1'],
    ['agent_log', 'info,containers=trace', 'info,containers=trace'],
    ['locale', 'zh-CN', 'zh-CN'],
  ])('takes %s = %o', async (name, value, shown) => {
    const before = (await list()).find((entry) => entry.name === name)!;
    client.later(() => api.set(daemon, name));
    expect(await api.set(daemon, name, value)).toEqual({ ...before, value: shown, is_set: true });
    expect((await list()).find((entry) => entry.name === name)!.value).toBe(shown);
    for (const back of ['default', undefined]) {
      await api.set(daemon, name, value);
      expect(await api.set(daemon, name, back)).toEqual({ ...before, value: before.default, is_set: false });
    }
  });

  test.each([
    ['colour', 'red', 'there is no setting `colour`: `berth config list` shows them all'],
    ['disk_gib', '0', 'bad value `0` for disk_gib: a number from 1 to 16384'],
    ['disk_gib', 'much', 'bad value `much` for disk_gib: a number from 1 to 16384'],
    ['link', 'cable', 'bad value `cable` for link: one of auto, vsock, serial'],
    ['accelerator', 'magic', 'bad value `magic` for accelerator: one of auto, kvm, tcg, hvf, whpx, hyperv, vz'],
    [
      'accelerator_order',
      'kvm,x',
      'bad value `kvm,x` for accelerator_order: a list of kvm, tcg, hvf, whpx, hyperv, vz',
    ],
    ['qemu', 'qemu', 'bad value `qemu` for qemu: an absolute path'],
    ['boot_deadline', '-1s', 'bad value `-1s` for boot_deadline: a time such as 500ms, 20s or 2m, or auto'],
    ['engine_deadline', '0s', 'bad value `0s` for engine_deadline: a time such as 500ms, 20s or 2m'],
    ['docker_context', 'perhaps', 'bad value `perhaps` for docker_context: true or false'],
    ['locale', 'fr', 'bad value `fr` for locale: one of auto, en, zh-CN'],
    ...['https://m.example?x', 'https://u:hunter2@m.example', 'ftp://m', 'https://'].map((bad) => [
      'registry_mirrors',
      bad,
      undefined,
    ]),
    ...['10.0.0.0/33', 'reg.example/path', 'http://reg', 'reg:port', 'reg:0'].map((bad) => [
      'insecure_registries',
      bad,
      undefined,
    ]),
    ...['proxy:3128', 'https://u:hunter2@p:1', 'http://', 'so cks://p:1'].map((bad) => ['http_proxy', bad, undefined]),
    ...['0.0.0.0:2376', 'tcp://host.example:2376', 'tcp://0.0.0.0:2375', 'tcp://127.0.0.1:0', 'tcp://::1'].map(
      (bad) => ['listen', bad, undefined],
    ),
    ...['loud', 'info,=debug'].map((bad) => ['agent_log', bad, undefined]),
  ] as [string, string, string | undefined][])('refuses %s = %o', async (name, value, words) => {
    const [status, message] = await client.refused('PUT', '/settings', { name, value });
    expect(status).toBe(400);
    // The same words as the simulated one: where they are not written down here, it says them.
    const { daemon: simulated } = host('first');
    const [, theirs] = await new Client(simulated!).refused('PUT', '/settings', { name, value });
    expect(message).toBe(words ?? theirs);
    expect(message).not.toContain('hunter2');
  });

  test('refuses what it cannot read, and does not have', async () => {
    expect(await client.refused('GET', '/nothing')).toEqual([
      404,
      'the daemon has no /nothing: is berth of another version?',
    ]);
    expect(await client.refused('GET', '/logs?source=x')).toEqual([
      400,
      "the daemon's answer cannot be understood: there is no log `x`; is it of another version? run `berth down` and try again",
    ]);
    for (const bad of ['', '{', '{}', '[]'])
      expect(await client.refused('PUT', '/settings', bad)).toEqual([
        400,
        expect.stringMatching(/^the daemon's answer cannot be understood: .+; is it of another version\?/),
      ]);
    const upgrade = await daemon.upgrade({ method: 'POST', path: '/shell' });
    expect('answer' in upgrade && upgrade.answer.status).toBe(400);
  });

  test('tells of a start that fails, whoever asked for it, and the engine socket says why', async () => {
    const abort = new AbortController();
    const watched = api.watch(daemon, { signal: abort.signal });
    const first = (await watched.next()).value!;
    expect(first.phase).toBe('stopped');
    const told = await all(api.change(daemon, 'up'));
    expect(told.slice(0, -1).map(({ phase }) => phase)).toEqual(told.slice(0, -1).map(() => 'starting'));
    expect(told[0]!.steps.map(({ step }) => step)).toEqual(['check', 'image', 'disk', 'boot', 'link', 'engine']);
    expect(shape(told[0]!.steps[0])).toEqual({
      doing: 'null',
      milliseconds: 'number',
      progress: 'string',
      step: 'string',
    });
    const last = told.at(-1)!;
    expect(last).toMatchObject({
      phase: 'failed',
      failure: {
        during: 'start',
        step: 'check',
        console: [],
        alive: false,
        unanswered: false,
        cause: expect.stringContaining('/nowhere/qemu'),
      },
      reset: null,
      has_disk: false,
      start_milliseconds: null,
      hypervisor_pid: null,
    });
    expect(last.steps.map(({ progress }) => progress)).toEqual(['failed', ...Array<string>(5).fill('waiting')]);
    for (;;) {
      const { value } = await watched.next();
      if (value!.phase !== 'failed') continue;
      expect(value).toEqual(last);
      break;
    }
    abort.abort();

    const { body } = await client.ok('GET', '/status');
    expect((body as DaemonStatus).machine).toEqual(last);
    const why = `the machine did not start (check): ${last.failure!.cause}: \`berth machine logs\` shows more, \`berth up\` tries again`;
    const answer = await engine.request(get('/_ping')).catch((error: Error) => error);
    if (answer instanceof Error) expect(answer.message).toBe(why);
    else {
      expect([answer.status, answer.headers['api-version']]).toEqual([503, undefined]);
      expect(JSON.parse(await text(answer))).toEqual({ message: why });
    }
    const down = await all(api.change(daemon, 'down'));
    expect(down.map(({ phase, failure, notes }) => [phase, failure, notes])).toEqual([['stopped', null, []]]);
    // The steps of the latest start stay.
    expect(down[0]!.steps).toEqual(last.steps);
  });

  test('resets a machine that does not run', async () => {
    const told = await all(api.reset(daemon, { keepVolumes: false }));
    expect(told.map(({ phase, reset }) => [phase, reset])).toEqual([
      ['resetting', { keep_volumes: false, outcome: 'under_way' }],
      ['stopped', { keep_volumes: false, outcome: 'done' }],
    ]);
    expect((await all(api.reset(daemon, { keepVolumes: true }))).at(-1)).toMatchObject({
      phase: 'failed',
      failure: { during: 'reset', step: 'check' },
      reset: { keep_volumes: true, outcome: 'not_begun' },
    });
    const [down] = await all(api.change(daemon, 'down'));
    expect(down!.reset!.outcome).toBe('not_begun');
    const up = await all(api.change(daemon, 'up'));
    expect(up.at(-1)).toMatchObject({ failure: { during: 'start' }, reset: null });
    await all(api.change(daemon, 'down'));
  });

  test('says why it does not look for newer versions', async () => {
    const why = 'it was built without an address to look at (BERTH_UPDATE_URL)';
    expect(await api.updates(daemon)).toEqual({ state: 'unavailable', why, looked_at: null, newer: null });
    expect(await client.refused('POST', '/updates')).toEqual([409, `this berth does not look for updates: ${why}`]);
  });

  test('sends its logs, and those that are not there as nothing', async () => {
    for (const source of ['console', 'qemu', 'vsock'] as const) {
      const answer = await daemon.request(get(`/logs?source=${source}`));
      expect([answer.status, answer.headers['content-type'], await text(answer)]).toEqual([
        200,
        'text/plain; charset=utf-8',
        '',
      ]);
    }
    const abort = new AbortController();
    const followed = await daemon.request({ ...get('/logs?source=console&follow=true'), signal: abort.signal });
    expect(followed.status).toBe(200);
    abort.abort(new Error('enough'));
    await expect(followed.body.getReader().read()).rejects.toThrow();
  });

  // The last one.
  test('ends when it is asked to, and what follows it', async () => {
    const watched = api.watch(daemon);
    await watched.next();
    await api.quit(daemon);
    await expect(
      (async () => {
        while (!(await watched.next()).done);
        // In good order or broken off: it ends.
        throw new Error('ended');
      })(),
    ).rejects.toThrow();
    await expect(client.say('GET', '/status')).rejects.toThrow();
  });
}
