import { Failure, conflict, invalid, notModified, system } from '../core/failure';
import { Process, SIGKILL, SIGTERM } from '../process/process';
import { programOf } from '../process/run';
import type { World } from '../world';
import type { Container, Exit } from './container';
import { watch } from './health';
import { parseSignal } from './signal';
import { publish } from './ports';

const START_PREFIX =
  'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ';
const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;
/** A run this long was a healthy one: the next delay is the first again. */
const HEALTHY_RUN = 10_000;
const STOP_TIMEOUT = 10;

export function start(world: World, container: Container): void {
  const { state } = container;
  if (state.is === 'running' || state.is === 'restarting') throw notModified();
  if (state.is === 'paused') throw conflict('cannot start a paused container, try unpause instead');
  if (state.is === 'removing') throw conflict('container is marked for removal and cannot be started');
  container.restarts = 0;
  container.delay = 0;
  container.stoppedByUser = false;
  launch(world, container);
}

/** Mounts, networks, process: what failed is undone, and leaves the container as it was. */
function launch(world: World, container: Container): void {
  const before = container.state;
  tellMounts(world, container, 'mount');
  const joined = [];
  try {
    for (const [name, settings] of container.endpoints) {
      const network = world.networks.find(name);
      if (network.name === 'host') continue;
      world.networks.join(network, container, settings);
      joined.push(network);
    }
    container.published = publish(world, container);
    const own = { ...(container.behaviour.program && { [base(container)]: container.behaviour.program }) };
    const program = programOf(container.command, () => container.files, own);
    const since = world.now();
    container.process = processOf(world, container);
    container.state = { is: 'running', pid: world.nextPid(), since };
    container.emit('start');
    watch(world, container);
    // Whoever asked for the start has its answer before the program says something.
    container.process.after(0, () => program(container.process!));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    for (const network of joined) world.networks.leave(network, container);
    container.published = new Map();
    tellMounts(world, container, 'unmount');
    const own = 'code' in error;
    const message = own ? START_PREFIX + error.message : `failed to set up container networking: ${error.message}`;
    const code = own ? (error as { code: number }).code : 128;
    container.state =
      before.is === 'created' || !('exit' in before)
        ? { is: 'created', failure: { code, message } }
        : { is: 'exited', exit: { ...before.exit, code, error: message } };
    throw new Failure(error.status, message);
  }
}

function base(container: Container): string {
  return (container.command[0] ?? '').split('/').at(-1)!;
}

function processOf(world: World, container: Container): Process {
  const { config } = container;
  return new Process({
    args: container.command,
    env: environment(container),
    cwd: config.WorkingDir || '/',
    user: config.User || 'root',
    hostname: config.Hostname,
    // Made only when somebody looks: most containers of a large scene are never looked into.
    get files() {
      return container.files;
    },
    tty: config.Tty,
    first: true,
    clock: world.clock,
    random: world.random,
    write: (stream, bytes) => container.write(stream, bytes),
    ended: (code) => ended(world, container, code),
  });
}

export function environment(container: Container): Record<string, string> {
  const given = (container.config.Env ?? []).filter((pair) => pair.includes('='));
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOSTNAME: container.config.Hostname,
    HOME: '/root',
    ...(container.config.Tty ? { TERM: 'xterm' } : {}),
    ...Object.fromEntries(given.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])),
  };
}

/** The first process has ended: in the engine's order the container leaves its networks and volumes before its end is told. */
function ended(world: World, container: Container, code: number, oomKilled = false): void {
  const { state } = container;
  if (state.is !== 'running' && state.is !== 'paused') return;
  const finished = world.now();
  const exit: Exit = { code, oomKilled, started: state.since, finished, error: '' };
  container.process = undefined;
  container.health = undefined;
  container.published = new Map();
  container.log.finish();
  world.execs.endOf(container);
  const again = !container.stoppedByUser && restarts(container, code);
  container.state = { is: again ? 'restarting' : 'exited', exit };
  for (const network of [...world.networks.all.values()].toReversed()) world.networks.leave(network, container);
  tellMounts(world, container, 'unmount');
  const duration = Math.floor((finished - state.since) / 1000);
  container.emit('die', { execDuration: String(duration), exitCode: String(code) });
  container.tellEnd();
  if (again) scheduleRestart(world, container, finished - state.since);
  else if (container.host.AutoRemove) erase(world, container, true);
}

function restarts(container: Container, code: number): boolean {
  const { Name: name, MaximumRetryCount: most } = container.host.RestartPolicy;
  if (name === 'always' || name === 'unless-stopped') return true;
  return name === 'on-failure' && code !== 0 && (most === 0 || container.restarts < most);
}

function scheduleRestart(world: World, container: Container, ran: number): void {
  container.delay =
    container.delay > 0 && ran < HEALTHY_RUN ? Math.min(container.delay * 2, LONGEST_DELAY) : FIRST_DELAY;
  container.restarts += 1;
  container.cancelRestart = world.clock.after(container.delay, () => {
    container.cancelRestart = undefined;
    try {
      launch(world, container);
    } catch (error) {
      // A restart that fails is told by the container's state alone.
      if (!(error instanceof Failure)) throw error;
      container.tellEnd();
    }
  });
}

/** A signal to the process. With `stop` the container shall stay down. */
function signal(container: Container, number: number, stop: boolean): void {
  const ends =
    stop ||
    number === SIGKILL ||
    container.config.StopSignal === undefined ||
    parseSignal(container.config.StopSignal) === number;
  if (container.state.is === 'restarting') {
    if (!ends) return;
    container.stoppedByUser = true;
    container.cancelRestart?.();
    container.state = { is: 'exited', exit: container.state.exit };
    return;
  }
  if (ends) container.stoppedByUser = true;
  container.emit('kill', { signal: String(number) });
  if (container.state.is === 'paused' && ends && number !== SIGKILL) thaw(container);
  container.process?.signal(number);
}

export interface StopWish {
  /** Seconds; negative: as long as it takes. */
  timeout?: number;
  signal?: number;
}

export async function stop(world: World, container: Container, wish: StopWish): Promise<void> {
  if (!container.countsAsRunning) throw notModified();
  await halt(world, container, wish);
  container.emit('stop');
}

export async function restart(world: World, container: Container, wish: StopWish): Promise<void> {
  if (container.countsAsRunning) {
    const remove = container.host.AutoRemove;
    // It ends to begin again: that is no end to be removed after.
    container.host = { ...container.host, AutoRemove: false };
    await halt(world, container, wish);
    container.host = { ...container.host, AutoRemove: remove };
    container.emit('stop');
  }
  start(world, container);
  container.emit('restart');
}

/** The stop signal, patience, then SIGKILL. */
async function halt(world: World, container: Container, { timeout, signal: asked }: StopWish): Promise<void> {
  const number = asked ?? (container.config.StopSignal ? parseSignal(container.config.StopSignal) : SIGTERM);
  const over = ending(container);
  signal(container, number, true);
  if (container.process === undefined) return;
  const seconds = timeout ?? container.config.StopTimeout ?? STOP_TIMEOUT;
  if (seconds < 0) return over;
  let cancel = () => {};
  const patience = new Promise<'late'>(
    (resolve) => (cancel = world.clock.after(seconds * 1000, () => resolve('late'))),
  );
  const first = await Promise.race([over, patience]);
  cancel();
  if (first === 'late' && container.process !== undefined) signal(container, SIGKILL, true);
}

function ending(container: Container): Promise<void> {
  return new Promise((resolve) => {
    const forget = container.onEnd(() => {
      forget();
      resolve();
    });
  });
}

export function kill(container: Container, name: string, number: number): void {
  const { state } = container;
  if (!container.countsAsRunning) {
    throw conflict(`cannot kill container: ${name}: container ${container.id} is not running`);
  }
  if (state.is === 'restarting' && number !== SIGKILL) return;
  signal(container, number, false);
}

export function pause(container: Container): void {
  if (container.state.is === 'paused') throw conflict(`Container ${container.id} is already paused`);
  if (container.state.is === 'restarting') {
    throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
  }
  if (container.state.is !== 'running') throw conflict(`container ${container.id} is not running`);
  container.state = { ...container.state, is: 'paused' };
  container.process?.freeze();
  container.emit('pause');
}

export function unpause(container: Container): void {
  if (container.state.is === 'running') throw system(`Container ${container.id} is not paused`);
  if (container.state.is === 'restarting') {
    throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
  }
  if (container.state.is !== 'paused') throw conflict(`container ${container.id} is not running`);
  thaw(container);
}

function thaw(container: Container): void {
  if (container.state.is !== 'paused') return;
  container.state = { ...container.state, is: 'running' };
  container.process?.thaw();
  container.emit('unpause');
}

export function remove(world: World, container: Container, name: string, force: boolean, volumes: boolean): void {
  const refused = (why: string) => conflict(`cannot remove container "${name}": container is ${why}`);
  if (container.countsAsRunning && !force) {
    if (container.state.is === 'paused') throw refused('paused and must be unpaused first');
    throw refused(`${container.state.is}: stop the container before removing or force remove`);
  }
  container.host = { ...container.host, AutoRemove: false };
  if (container.countsAsRunning) signal(container, SIGKILL, true);
  erase(world, container, volumes);
}

/** Nothing of the container stays. */
export function erase(world: World, container: Container, volumes: boolean): void {
  container.state = { is: 'removing', exit: container.exit };
  world.containers.delete(container.id);
  for (const mount of container.mounts) {
    if (volumes && mount.anonymous && world.volumes.holders(mount.name).length === 0)
      world.volumes.remove(mount.name, true);
  }
  container.emit('destroy');
  container.tellEnd();
  container.tellGone();
}

export function rename(world: World, container: Container, wanted: string): void {
  const name = wanted.replace(/^\//, '');
  if (name === '') throw invalid('Neither old nor new names may be empty');
  const refused = (failure: Failure) =>
    new Failure(failure.status, `Error when allocating new name: ${failure.message}`);
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw refused(invalid(`Invalid container name (/${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`));
  }
  if (name === container.name) throw invalid('Renaming a container with the same name as its current name');
  try {
    world.containers.reserve(name);
  } catch (error) {
    throw error instanceof Failure ? refused(error) : error;
  }
  const old = container.name;
  container.name = name;
  for (const network of world.networks.all.values()) {
    const endpoint = network.endpoints.get(container.id);
    if (endpoint) endpoint.name = name;
  }
  container.emit('rename', { oldName: `/${old}` });
}

function tellMounts(world: World, container: Container, action: 'mount' | 'unmount'): void {
  for (const mount of container.mounts) {
    if (mount.type !== 'volume') continue;
    const more = { destination: mount.destination, propagation: '', 'read/write': String(mount.rw) };
    world.volumes.emit(action, mount.name, { container: container.id, ...(action === 'mount' ? more : {}) });
  }
}
