// @vitest-environment node
import { expect, test } from 'vitest';
import type { ContainerSummary } from '$lib/api/generated';
import { filtered } from './client';
import { contract } from './engines';
import { expectShape } from './shapes';

contract('containers', (client) => {
  test('are inspected and listed in dockerd’s shapes in each state', async () => {
    const volume = await client.volume();
    const id = await client.create({
      Cmd: ['sleep', '1000'],
      ExposedPorts: { '80/tcp': {} },
      HostConfig: { Binds: [`${volume}:/v`], PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
    });
    expectShape('container created', await client.inspect(id));
    await client.ok('POST', `/containers/${id}/start`);
    expectShape('container running', await client.inspect(id));
    const [running] = (await client.ok('GET', `/containers/json?${filtered({ id: [id] })}`)).body as ContainerSummary[];
    expect(running).toMatchObject({ Id: id, State: 'running', Image: 'busybox', Command: 'sleep 1000' });
    expect(running!.Status).toMatch(/^Up /);
    expect(running!.Ports).toEqual([
      { IP: '127.0.0.1', PrivatePort: 80, PublicPort: expect.any(Number) as number, Type: 'tcp' },
    ]);
    await client.ok('POST', `/containers/${id}/kill`);
    expectShape('container exited', await client.inspect(id));
    const [exited] = (await client.ok('GET', `/containers/json?all=1&${filtered({ id: [id] })}`))
      .body as ContainerSummary[];
    expectShape('container listed', exited);
    expect(exited!.Status).toMatch(/^Exited \(137\) .* ago$/);
  });

  test('live and die with the engine’s statuses and words', async () => {
    const id = await client.create({ Cmd: ['sleep', '1000'] });
    expect((await client.say('POST', `/containers/${id}/start`)).status).toBe(204);
    expect((await client.say('POST', `/containers/${id}/start`)).status).toBe(304);
    expect((await client.say('POST', `/containers/${id}/pause`)).status).toBe(204);
    expect(await client.refused('POST', `/containers/${id}/pause`)).toEqual([409, `Container ${id} is already paused`]);
    expect(await client.refused('POST', `/containers/${id}/start`)).toEqual([
      409,
      'cannot start a paused container, try unpause instead',
    ]);
    expect(await client.refused('DELETE', `/containers/${id}`)).toEqual([
      409,
      `cannot remove container "${id}": container is paused and must be unpaused first`,
    ]);
    expect(await client.refused('POST', `/containers/${id}/exec`, { Cmd: ['true'] })).toEqual([
      409,
      `Container ${id} is paused, unpause the container before exec`,
    ]);
    expect((await client.inspect(id)).State).toMatchObject({ Status: 'paused', Running: true, Paused: true });
    expect((await client.say('POST', `/containers/${id}/unpause`)).status).toBe(204);
    expect(await client.refused('POST', `/containers/${id}/unpause`)).toEqual([500, `Container ${id} is not paused`]);
    expect(await client.refused('DELETE', `/containers/${id}`)).toEqual([
      409,
      `cannot remove container "${id}": container is running: stop the container before removing or force remove`,
    ]);
    expect((await client.say('POST', `/containers/${id}/stop?t=0`)).status).toBe(204);
    expect((await client.say('POST', `/containers/${id}/stop`)).status).toBe(304);
    expect(await client.refused('POST', `/containers/${id}/kill`)).toEqual([
      409,
      `cannot kill container: ${id}: container ${id} is not running`,
    ]);
    expect(await client.refused('POST', `/containers/${id}/pause`)).toEqual([409, `container ${id} is not running`]);
    expect(await client.refused('GET', `/containers/${id}/top`)).toEqual([409, `container ${id} is not running`]);
    expect((await client.inspect(id)).State).toMatchObject({ Status: 'exited', Running: false, ExitCode: 137 });
    expect((await client.say('POST', `/containers/${id}/restart?t=0`)).status).toBe(204);
    expect((await client.say('DELETE', `/containers/${id}?force=1`)).status).toBe(204);
    expect(await client.refused('GET', `/containers/${id}/json`)).toEqual([404, `No such container: ${id}`]);
  });

  test('have names that are their own', async () => {
    const name = client.name('own');
    const id = await client.create({}, name);
    const taken = `Conflict. The container name "/${name}" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`;
    expect(await client.refused('POST', `/containers/create?name=${name}`, { Image: 'busybox' })).toEqual([409, taken]);
    const other = await client.create();
    expect(await client.refused('POST', `/containers/${other}/rename?name=${name}`)).toEqual([
      409,
      `Error when allocating new name: ${taken}`,
    ]);
    expect(await client.refused('POST', `/containers/${id}/rename?name=${name}`)).toEqual([
      400,
      'Renaming a container with the same name as its current name',
    ]);
    expect(await client.refused('POST', `/containers/${id}/rename?name=no%20name`)).toEqual([
      400,
      'Error when allocating new name: Invalid container name (/no name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
    ]);
    const renamed = client.name('renamed');
    const listener = await client.listen({ container: [id] });
    expect((await client.say('POST', `/containers/${name}/rename?name=${renamed}`)).status).toBe(204);
    const [event] = await listener.until((events) => events.length > 0);
    expect(event).toMatchObject({ Action: 'rename', Actor: { Attributes: { name: renamed, oldName: `/${name}` } } });
    expect((await client.inspect(renamed)).Id).toBe(id);
    expect((await client.inspect(id.slice(0, 20))).Id).toBe(id);
  });

  test('tell of a whole life in order', async () => {
    const volume = await client.volume();
    const listener = await client.listen();
    const id = await client.run({ HostConfig: { Binds: [`${volume}:/v`] }, Labels: { of: 'life' } });
    await client.ok('GET', `/containers/${id}/top`);
    await client.ok('POST', `/containers/${id}/pause`);
    await client.ok('POST', `/containers/${id}/unpause`);
    await client.ok('DELETE', `/containers/${id}?force=1`);
    expect(await listener.about(id, 'container destroy')).toEqual([
      'container create',
      'volume mount',
      'network connect',
      'container start',
      'container top',
      'container pause',
      'container unpause',
      'container kill',
      'network disconnect',
      'volume unmount',
      'container die',
      'container destroy',
    ]);
    const die = listener.events.find((event) => event.Actor.ID === id && event.Action === 'die')!;
    expectShape('event', die);
    expect(die.Actor.Attributes).toMatchObject({ exitCode: '137', image: 'busybox', of: 'life' });
    const mount = listener.events.find((event) => event.Action === 'mount')!;
    expect(mount.Actor).toMatchObject({
      ID: volume,
      Attributes: { container: id, destination: '/v', driver: 'local', 'read/write': 'true' },
    });
  });

  test('tell of a stop and of a restart in order', async () => {
    const listener = await client.listen({ type: ['container'] });
    const id = await client.run();
    await client.ok('POST', `/containers/${id}/restart?t=0`);
    await client.ok('POST', `/containers/${id}/stop?t=0`);
    await client.ok('DELETE', `/containers/${id}`);
    const actions = await listener.about(id, 'container destroy');
    expect(actions.map((action) => action.replace('container ', ''))).toEqual([
      'create',
      'start',
      'kill',
      'kill',
      'die',
      'stop',
      'start',
      'restart',
      'kill',
      'kill',
      'die',
      'stop',
      'destroy',
    ]);
    const signals = listener.events
      .filter((event) => event.Action === 'kill')
      .map((event) => event.Actor.Attributes.signal);
    expect(signals).toEqual(['15', '9', '15', '9']);
  });

  test('end with the code of their command, which whoever waits is told', async () => {
    const id = await client.create({ Cmd: ['sh', '-c', 'exit 3'] });
    const waiting = client.ok('POST', `/containers/${id}/wait?condition=next-exit`);
    await client.ok('POST', `/containers/${id}/start`);
    const { body } = await waiting;
    expectShape('wait', body);
    expect(body).toEqual({ StatusCode: 3 });
    expect((await client.ok('POST', `/containers/${id}/wait`)).body).toEqual({ StatusCode: 3 });
    const gone = client.ok('POST', `/containers/${id}/wait?condition=removed`);
    await client.ok('DELETE', `/containers/${id}`);
    expect((await gone).body).toEqual({ StatusCode: 3 });
    const other = await client.create();
    expect(await client.refused('POST', `/containers/${other}/wait?condition=x`)).toEqual([
      400,
      'invalid condition: "x"',
    ]);
  });

  test('that cannot start say why, and stay as they were', async () => {
    const id = await client.create({ Cmd: ['nonexistent'] });
    const [status, words] = await client.refused('POST', `/containers/${id}/start`);
    expect(status).toBe(400);
    expect(words).toContain('exec: "nonexistent": executable file not found in $PATH');
    const { State: state } = await client.inspect(id);
    expect(state).toMatchObject({ Status: 'created', ExitCode: 127, Error: words });
    const [later, missing] = await client.refused(
      'POST',
      `/containers/${await client.create({ HostConfig: { NetworkMode: 'nowhere' } })}/start`,
    );
    expect([later, missing]).toEqual([404, 'failed to set up container networking: network nowhere not found']);
  });

  test('share no port of the machine', async () => {
    const HostConfig = { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '18473' }] } };
    await client.run({ HostConfig });
    const second = await client.create({ Cmd: ['sleep', '1000'], HostConfig });
    const [status, words] = await client.refused('POST', `/containers/${second}/start`);
    expect(status).toBe(500);
    expect(words).toMatch(/Bind for 127\.0\.0\.1:18473 failed: port is already allocated$/);
  });

  test('are begun again as their policy says', async () => {
    const id = await client.create({
      Cmd: ['sh', '-c', 'exit 4'],
      HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } },
    });
    const listener = await client.listen({ container: [id] });
    await client.ok('POST', `/containers/${id}/start`);
    const dies = (events: { Action: string }[]) => events.filter((event) => event.Action === 'die').length;
    await listener.until((events) => dies(events) === 3);
    const { RestartCount, State: state } = await client.inspect(id);
    expect([RestartCount, state.Status, state.ExitCode]).toEqual([2, 'exited', 4]);
    const starts = listener.events.map((event) => event.Action);
    expect(starts.filter((action) => ['start', 'die'].includes(action))).toEqual([
      'start',
      'die',
      'start',
      'die',
      'start',
      'die',
    ]);
  });

  test('that are removed by themselves leave nothing', async () => {
    const listener = await client.listen({ type: ['container', 'volume'] });
    const id = await client.create({ Cmd: ['true'], Volumes: { '/data': {} }, HostConfig: { AutoRemove: true } });
    const [mount] = (await client.inspect(id)).Mounts;
    await client.ok('POST', `/containers/${id}/start`);
    await listener.about(id, 'container destroy');
    expect((await client.refused('GET', `/containers/${id}/json`))[0]).toBe(404);
    expect((await client.refused('GET', `/volumes/${mount!.Name!}`))[0]).toBe(404);
  });

  test('are updated while they run', async () => {
    const id = await client.run();
    expectShape(
      'update',
      (await client.ok('POST', `/containers/${id}/update`, { RestartPolicy: { Name: 'always' } })).body,
    );
    expect((await client.inspect(id)).HostConfig.RestartPolicy).toEqual({ Name: 'always', MaximumRetryCount: 0 });
    expect(await client.refused('POST', `/containers/${id}/update`, { Memory: 1024 })).toEqual([
      400,
      'Minimum memory limit allowed is 6MB',
    ]);
    const words =
      "invalid restart policy: unknown policy 'x'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'";
    expect(await client.refused('POST', `/containers/${id}/update`, { RestartPolicy: { Name: 'x' } })).toEqual([
      400,
      words,
    ]);
  });

  test('are chosen by filters', async () => {
    const label = client.name('choice');
    const [first, second] = [
      await client.run({ Labels: { [label]: 'a' } }),
      await client.create({ Labels: { [label]: 'b' } }),
    ];
    const third = await client.ran(['false'], { Labels: { [label]: 'c' } });
    const chosen = async (more: Record<string, string[]>, query = 'all=1') => {
      const { body } = await client.ok('GET', `/containers/json?${query}&${filtered({ label: [label], ...more })}`);
      return (body as ContainerSummary[]).map((container) => container.Id);
    };
    expect(await chosen({})).toEqual([third, second, first]);
    expect(await chosen({}, '')).toEqual([first]);
    expect(await chosen({}, 'limit=2')).toEqual([third, second]);
    expect(await chosen({ status: ['created'] })).toEqual([second]);
    expect(await chosen({ status: ['exited', 'running'] })).toEqual([third, first]);
    expect(await chosen({ exited: ['1'] })).toEqual([third]);
    expect(await chosen({ before: [third] })).toEqual([second, first]);
    expect(await chosen({ since: [first] })).toEqual([third, second]);
    expect(await chosen({ id: [second.slice(0, 12)] })).toEqual([second]);
    expect(await chosen({ ancestor: ['busybox'] })).toHaveLength(3);
    expect(await chosen({ ancestor: ['nothing'] })).toEqual([]);
    expect(await chosen({ network: ['bridge'] })).toHaveLength(3);
    expect(await chosen({ health: ['none'] })).toHaveLength(3);
    expect(await chosen({ name: ['^nobody$'] })).toEqual([]);
    expect(await chosen({ label: [`${label}=b`] })).toEqual([second]);
  });

  test('are measured', async () => {
    const id = await client.run();
    const { body: two } = await client.ok('GET', `/containers/${id}/stats?stream=0`);
    // A block device that nobody used says nothing, and some machines count none.
    expectShape('stats', two);
    const { body: once } = await client.ok('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
    expectShape('stats', once);
    expect(once.precpu_stats.cpu_usage.total_usage).toBe(0);
    await client.ok('POST', `/containers/${id}/kill`);
    const { body: ended } = await client.ok('GET', `/containers/${id}/stats?stream=0`);
    expect(ended).toMatchObject({ id, read: '0001-01-01T00:00:00Z', memory_stats: {}, pids_stats: {} });
    expect(await client.refused('GET', `/containers/${id}/stats?stream=1&one-shot=1`)).toEqual([
      400,
      'cannot have stream=true and one-shot=true',
    ]);
    const { body: sized } = await client.ok('GET', `/containers/json?all=1&size=1&${filtered({ id: [id] })}`);
    expect(sized[0].SizeRootFs).toBeGreaterThan(0);
  });

  test('show their processes', async () => {
    const id = await client.run();
    const { body } = await client.ok('GET', `/containers/${id}/top`);
    expectShape('top', body);
    expect(body.Titles).toEqual(['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
    expect(body.Processes[0].at(-1)).toBe('sleep 1000');
    expect((await client.ok('GET', `/containers/${id}/top?ps_args=-o%20pid,args`)).body.Titles).toEqual([
      'PID',
      'COMMAND',
    ]);
  });

  test('are pruned by label', async () => {
    const label = client.name('prune');
    expectShape(
      'containers pruned: none',
      (await client.ok('POST', `/containers/prune?${filtered({ label: [label] })}`)).body,
    );
    const [running, created] = [
      await client.run({ Labels: { [label]: '' } }),
      await client.create({ Labels: { [label]: '' } }),
    ];
    const listener = await client.listen({ type: ['container'] });
    const { body } = await client.ok('POST', `/containers/prune?${filtered({ label: [label] })}`);
    expectShape('containers pruned: one', body);
    expect(body.ContainersDeleted).toEqual([created]);
    const events = await listener.until((events) => events.some((event) => event.Action === 'prune'));
    expect(events.map((event) => event.Action)).toEqual(['destroy', 'prune']);
    expect((await client.inspect(running)).State.Running).toBe(true);
  });

  test('with a check are found healthy, and not', async () => {
    const listener = await client.listen({ type: ['container'] });
    const Healthcheck = { Test: ['CMD-SHELL', 'test -e /well'], Interval: 1_000_000_000, Retries: 1 };
    const id = await client.run({ Healthcheck });
    const status = async () => (await client.inspect(id)).State.Health?.Status;
    expect(await status()).toBe('starting');
    const until = (action: string) =>
      listener.until((events) => events.some((event) => event.Actor.ID === id && event.Action === action));
    await until('health_status: unhealthy');
    expect(await status()).toBe('unhealthy');
    const [summary] = (await client.ok('GET', `/containers/json?${filtered({ id: [id], health: ['unhealthy'] })}`))
      .body as ContainerSummary[];
    expect(summary!.Status).toMatch(/^Up .* \(unhealthy\)$/);
    const make = await client.exec(id, { Cmd: ['touch', '/well'] });
    await client.ok('POST', `/exec/${make}/start`, { Detach: true });
    await until('health_status: healthy');
    const { Health: health } = (await client.inspect(id)).State;
    expect(health).toMatchObject({ Status: 'healthy', FailingStreak: 0 });
    expect(Object.keys(health!.Log!.at(-1)!).toSorted()).toEqual(['End', 'ExitCode', 'Output', 'Start']);
    const [probe] = listener.events.filter((event) => event.Actor.ID === id && event.Action.startsWith('exec_create'));
    expect(probe!.Action).toBe('exec_create: /bin/sh -c test -e /well');
  });
});
