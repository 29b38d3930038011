import type { ContainerUpdateRequest, ExecConfig, ExecStartRequest } from '$lib/api/generated';
import { type Call, check } from '../core/call';
import { Failure, invalid } from '../core/failure';
import { bytes, created, empty, json, line, stream } from '../core/reply';
import type { Routes, Upgrader } from '../core/router';
import { Outlet } from '../core/outlet';
import type { World } from '../world';
import { attach } from './attach';
import { commit } from './commit';
import type { Container } from './container';
import { create, request } from './create';
import * as exec from './exec';
import * as files from './files';
import { inspect } from './inspect';
import * as lifecycle from './lifecycle';
import { list, sizesOf } from './list';
import { read, typeOf, wanted } from './logs';
import { checkResources, updated } from './resources';
import { parseSignal } from './signal';
import { stats } from './stats';
import { top } from './top';
import { checkPolicy } from './validate';

const find = (world: World, call: Call) => world.containers.find(call.name);

export const routes: Routes = {
  'GET /containers/json': (world, call) => json(list(world, call)),

  'POST /containers/create': async (world, call) => {
    const { container, warnings } = create(world, await request(call), call.filled('name'));
    return created({ Id: container.id, Warnings: warnings });
  },

  'POST /containers/prune': (world, call) => {
    const filters = call.filters();
    filters.only(['label', 'label!', 'until']);
    const until = filters.until(world.clock.now());
    const gone = world.containers
      .all()
      .filter((container) => !container.countsAsRunning && filters.prunable(container.labels))
      .filter((container) => until === undefined || container.created <= until);
    const reclaimed = gone.reduce((sum, container) => sum + sizesOf(world, container)[0], 0);
    for (const container of gone) lifecycle.erase(world, container, true);
    world.bus.emit('container', 'prune', '', { reclaimed: String(reclaimed) });
    return json({ ContainersDeleted: gone.length > 0 ? gone.map(({ id }) => id) : null, SpaceReclaimed: reclaimed });
  },

  'GET /containers/{name}/json': (world, call) => json(inspect(world, find(world, call), call.flag('size'))),
  'GET /containers/{name}/top': (world, call) => json(top(world, find(world, call), call.filled('ps_args') ?? '-ef')),

  'GET /containers/{name}/logs': (world, call) => {
    const want = wanted(call);
    const container = find(world, call);
    if (container.host.LogConfig.Type === 'none')
      throw new Failure(501, 'configured logging driver does not support reading');
    return stream(read(world, container, want, call.signal).stream, typeOf(container));
  },

  'GET /containers/{name}/stats': (world, call) => {
    if (call.flag('stream', true) && call.flag('one-shot')) throw invalid('cannot have stream=true and one-shot=true');
    return stats(world, find(world, call), call);
  },

  'GET /containers/{name}/changes': (world, call) => {
    const found = files.diff(find(world, call));
    return json(found.length === 0 ? null : found);
  },

  'GET /containers/{name}/export': (world, call) => bytes(files.whole(find(world, call)), 'application/octet-stream'),

  'HEAD /containers/{name}/archive': (world, call) => {
    const container = find(world, call);
    return empty(200, files.header(files.stat(container, call)));
  },
  'GET /containers/{name}/archive': (world, call) => {
    const container = find(world, call);
    const head = files.header(files.stat(container, call));
    return bytes(files.get(container, call), 'application/x-tar', 200, head);
  },
  'PUT /containers/{name}/archive': async (world, call) => {
    await files.put(find(world, call), call);
    return empty(200);
  },

  'POST /containers/{name}/start': async (world, call) => {
    if ((await call.bytes()).length > 7) {
      throw invalid(
        'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
      );
    }
    if (call.filled('checkpoint')) throw invalid('checkpoint is only supported in experimental mode');
    lifecycle.start(world, find(world, call));
    return empty(204);
  },
  'POST /containers/{name}/stop': async (world, call) => {
    await lifecycle.stop(world, ...stopWish(world, call));
    return empty(204);
  },
  'POST /containers/{name}/restart': async (world, call) => {
    await lifecycle.restart(world, ...stopWish(world, call));
    return empty(204);
  },
  'POST /containers/{name}/kill': (world, call) => {
    lifecycle.kill(...killWish(world, call));
    return empty(204);
  },
  'POST /containers/{name}/pause': (world, call) => {
    lifecycle.pause(find(world, call));
    return empty(204);
  },
  'POST /containers/{name}/unpause': (world, call) => {
    lifecycle.unpause(find(world, call));
    return empty(204);
  },
  'POST /containers/{name}/rename': (world, call) => {
    const name = call.query.get('name') ?? '';
    if (call.name === '' || name.replace(/^\//, '') === '') throw invalid('Neither old nor new names may be empty');
    lifecycle.rename(world, find(world, call), name);
    return empty(204);
  },

  'POST /containers/{name}/update': async (world, call) => {
    const wish = await call.requiredJson<ContainerUpdateRequest>();
    check(wish, { Memory: 'number', NanoCpus: 'number', CpuShares: 'number', RestartPolicy: 'map' });
    const limits = wish as Parameters<typeof updated>[1];
    checkResources(limits, true);
    const policy = {
      Name: wish.RestartPolicy?.Name ?? '',
      MaximumRetryCount: wish.RestartPolicy?.MaximumRetryCount ?? 0,
    };
    checkPolicy(policy.Name, policy.MaximumRetryCount);
    const container = find(world, call);
    const refused = (failure: Failure) =>
      new Failure(failure.status, `Cannot update container ${container.id}: ${failure.message}`);
    try {
      const host = updated(container.host, limits);
      if (policy.Name !== '' && policy.Name !== 'no' && host.AutoRemove) {
        throw new Failure(409, 'Restart policy cannot be updated because AutoRemove is enabled for the container');
      }
      container.host = policy.Name === '' ? host : { ...host, RestartPolicy: policy };
    } catch (error) {
      throw error instanceof Failure ? refused(error) : error;
    }
    container.emit('update');
    return json({ Warnings: null });
  },

  'POST /containers/{name}/resize': (world, call) => {
    const size = terminalSize(call);
    const container = find(world, call);
    if (container.process === undefined) throw new Failure(409, `container ${container.id} is not running`);
    if (container.process.terminal) {
      container.process.terminal.size = size;
      container.emit('resize', { height: String(size[0]), width: String(size[1]) });
    }
    return empty(200);
  },

  'POST /containers/{name}/wait': (world, call) => {
    const condition = call.query.get('condition') ?? '';
    if (!['', 'not-running', 'next-exit', 'removed'].includes(condition))
      throw invalid(`invalid condition: "${condition}"`);
    return stream(waiting(find(world, call), condition, call), 'application/json');
  },

  'DELETE /containers/{name}': (world, call) => {
    if (call.name === '') throw invalid('invalid name or ID supplied: ""');
    lifecycle.remove(world, find(world, call), call.name, call.flag('force'), call.flag('v'));
    return empty(204);
  },

  'POST /commit': async (world, call) => {
    const image = await commit(world, call);
    return created({ Id: image.id });
  },

  'POST /containers/{name}/exec': async (world, call) => {
    const config = await call.json<ExecConfig>();
    check(config, { Cmd: 'list', Tty: 'boolean', AttachStdin: 'boolean', Env: 'list', User: 'string' });
    return created({ Id: world.execs.create(find(world, call), config).id });
  },
  'GET /exec/{name}/json': (world, call) => json(world.execs.inspect(world.execs.find(call.name))),
  'POST /exec/{name}/start': async (world, call) => {
    const wish = await call.json<ExecStartRequest>();
    const found = world.execs.find(call.name);
    if (wish.Detach) world.execs.start(found, wish.ConsoleSize ?? undefined);
    // Without an upgrade the same bytes come as the body.
    else return stream(startExec(world, found, wish, call).output, 'application/vnd.docker.raw-stream');
    return empty(200);
  },
  'POST /exec/{name}/resize': (world, call) => {
    const size = terminalSize(call);
    const { state } = world.execs.find(call.name);
    if (state.is === 'running' && state.process.terminal) state.process.terminal.size = size;
    return empty(200);
  },
};

/** What the engine answers by handing over the connection. */
export const upgrades: Routes<Upgrader> = {
  'POST /containers/{name}/attach': (world, call) => ({ duplex: attach(find(world, call), call) }),

  'POST /exec/{name}/start': async (world, call) => {
    const wish = await call.json<ExecStartRequest>();
    const found = world.execs.find(call.name);
    if (wish.Detach) {
      world.execs.start(found, undefined);
      return { answer: empty(200) };
    }
    return { duplex: startExec(world, found, wish, call) };
  },
};

function startExec(world: World, found: exec.Exec, wish: ExecStartRequest, call: Call) {
  const { state, id } = found.container;
  if (state.is === 'paused') throw new Failure(409, `Container ${id} is paused, unpause the container before exec`);
  if (state.is !== 'running') throw new Failure(409, `container ${id} is not running`);
  const size = wish.ConsoleSize ?? found.config.ConsoleSize ?? undefined;
  return exec.attach(world, found, wish.Tty ?? false, size, call.signal);
}

function stopWish(world: World, call: Call): [Container, lifecycle.StopWish] {
  const timeout = call.number('t');
  const container = find(world, call);
  const signal = call.filled('signal');
  return [container, { timeout, ...(signal === undefined ? {} : { signal: parseSignal(signal) }) }];
}

function killWish(world: World, call: Call): [Container, string, number] {
  const prefix = `cannot kill container: ${call.name}: `;
  try {
    const number = parseSignal(call.filled('signal') ?? 'KILL');
    return [find(world, call), call.name, number];
  } catch (error) {
    throw error instanceof Failure ? new Failure(error.status, prefix + error.message) : error;
  }
}

/** The head goes out at once, the body when the condition holds. */
function waiting(container: Container, condition: string, call: Call): ReadableStream<Uint8Array> {
  const outlet = new Outlet(call.signal);
  const tell = () => {
    const error = container.exit.error && condition === '' ? { Error: { Message: container.exit.error } } : {};
    outlet.push(line({ StatusCode: container.exit.code, ...error }));
    outlet.end();
  };
  const down = !container.countsAsRunning;
  if (down && (condition === '' || condition === 'not-running')) tell();
  else if (condition === 'removed') outlet.whenGone(container.onGone(tell));
  else {
    outlet.whenGone(container.onEnd(tell));
    outlet.whenGone(container.onGone(tell));
  }
  return outlet.stream;
}

function terminalSize(call: Call): [number, number] {
  const [rows, columns] = [['h', 'height'] as const, ['w', 'width'] as const].map(([name, what]) => {
    const text = call.query.get(name) ?? '';
    const refused = (reason: string) => invalid(`invalid resize ${what} "${text}": ${reason}`);
    if (!/^-?\d+$/.test(text)) throw refused('invalid syntax');
    if (Number(text) < 0 || Number(text) >= 2 ** 32) throw refused('value out of range');
    return Number(text) & 0xffff;
  });
  return [rows!, columns!];
}
