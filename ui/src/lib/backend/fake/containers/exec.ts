import type { ExecConfig, ExecInspect } from '$lib/api/generated';
import type { Duplex } from '../../backend';
import { Failure, conflict, invalid, notFound } from '../core/failure';
import { encode } from '../core/reply';
import { Process, type Stream } from '../process/process';
import { Unstartable, programOf } from '../process/run';
import type { World } from '../world';
import type { Container } from './container';
import { connection } from './connection';
import { environment } from './lifecycle';

const PREFIX = 'OCI runtime exec failed: exec failed: unable to start container process: ';

export interface Exec {
  id: string;
  container: Container;
  config: ExecConfig;
  state: { is: 'created' } | { is: 'running'; pid: number; process: Process } | { is: 'ended'; code: number };
  /** Probes are forgotten when they have ended. */
  probe: boolean;
  listeners: Set<(stream: Stream, bytes: Uint8Array) => void>;
  ends: Set<() => void>;
}

/** Commands in running containers. */
export class Execs {
  readonly #all = new Map<string, Exec>();

  constructor(readonly world: World) {}

  find(id: string): Exec {
    const exec = this.#all.get(id);
    if (exec === undefined) throw notFound(`No such exec instance: ${id}`);
    return exec;
  }

  /** Of a container, as long as they are remembered. */
  of(container: Container): Exec[] {
    return [...this.#all.values()].filter((exec) => exec.container === container && exec.state.is !== 'ended');
  }

  create(container: Container, config: ExecConfig, probe = false): Exec {
    if (!config.Cmd?.length) throw invalid('No exec command specified');
    refuseUnlessRunning(container);
    const id = this.world.random.hex(64);
    const exec: Exec = {
      id,
      container,
      config,
      state: { is: 'created' },
      probe,
      listeners: new Set(),
      ends: new Set(),
    };
    this.#all.set(id, exec);
    tell(exec, 'exec_create');
    return exec;
  }

  /** Runs it once. A failure means that it never ran, and its exit code says why. */
  start(exec: Exec, size: [number, number] | undefined): Process {
    refuseUnlessRunning(exec.container);
    if (exec.state.is === 'running') throw conflict(`exec command ${exec.id} is already running`);
    if (exec.state.is === 'ended') throw conflict(`exec command ${exec.id} has already run`);
    tell(exec, 'exec_start');
    const { container, config } = exec;
    const { world } = this;
    try {
      const program = programOf(config.Cmd!, () => container.files, {});
      const process = new Process({
        args: config.Cmd!,
        env: { ...environment(container), ...variables(config), ...(config.Tty ? { TERM: 'xterm' } : {}) },
        cwd: config.WorkingDir || container.config.WorkingDir || '/',
        user: config.User || container.config.User || 'root',
        hostname: container.config.Hostname,
        files: container.files,
        tty: config.Tty ?? false,
        size,
        first: false,
        clock: world.clock,
        random: world.random,
        write: (stream, bytes) => [...exec.listeners].forEach((listener) => listener(stream, bytes)),
        ended: (code) => this.finish(exec, code),
      });
      if (!config.AttachStdin) process.input.end();
      exec.state = { is: 'running', pid: world.nextPid(), process };
      process.after(0, () => program(process));
      return process;
    } catch (error) {
      if (!(error instanceof Unstartable)) throw error;
      exec.state = { is: 'ended', code: error.code };
      if (exec.probe) this.#all.delete(exec.id);
      throw new Failure(400, PREFIX + error.message);
    }
  }

  /** It has ended, which its container tells. */
  finish(exec: Exec, code: number): void {
    if (this.#all.has(exec.id)) exec.container.emit('exec_die', { execID: exec.id, exitCode: String(code) });
    exec.state = { is: 'ended', code };
    if (exec.probe) this.#all.delete(exec.id);
    for (const job of [...exec.ends]) job();
  }

  /** The container's run has ended, and its commands with it. */
  endOf(container: Container): void {
    for (const exec of this.of(container)) {
      if (exec.state.is === 'running') exec.state.process.exit(137);
      this.#all.delete(exec.id);
    }
  }

  inspect(exec: Exec): ExecInspect {
    const { config, state } = exec;
    const [entrypoint = '', ...args] = config.Cmd ?? [];
    return {
      ID: exec.id,
      Running: state.is === 'running',
      ExitCode: state.is === 'ended' ? state.code : null,
      ProcessConfig: {
        tty: config.Tty ?? false,
        entrypoint,
        arguments: args,
        privileged: config.Privileged ?? false,
        ...(config.User ? { user: config.User } : {}),
      },
      OpenStdin: config.AttachStdin ?? false,
      OpenStderr: config.AttachStderr ?? false,
      OpenStdout: config.AttachStdout ?? false,
      CanRemove: state.is === 'ended',
      ContainerID: exec.container.id,
      DetachKeys: config.DetachKeys ?? '',
      Pid: state.is === 'running' ? state.pid : 0,
    };
  }
}

function variables(config: ExecConfig): Record<string, string> {
  const pairs = (config.Env ?? []).filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}

function tell(exec: Exec, action: string): void {
  // The space after the program is there without arguments, too.
  const [program = '', ...args] = exec.config.Cmd ?? [];
  exec.container.emit(`${action}: ${program} ${args.join(' ')}`, { execID: exec.id });
}

function refuseUnlessRunning(container: Container): void {
  const { state, id } = container;
  if (state.is === 'paused') throw conflict(`Container ${id} is paused, unpause the container before exec`);
  if (state.is === 'restarting') throw conflict(`Container ${id} is restarting, wait until the container is running`);
  if (state.is !== 'running') throw conflict(`container ${id} is not running`);
}

/** A command's streams, joined to whoever starts it; a command that cannot be started says so there. */
export function attach(
  world: World,
  exec: Exec,
  tty: boolean,
  size: [number, number] | undefined,
  signal?: AbortSignal,
): Duplex {
  const { config } = exec;
  const joined = connection({
    raw: tty,
    wants: (stream) =>
      config.Tty === true || (stream === 'stdout' ? config.AttachStdout : config.AttachStderr) === true,
    listen: (listener) => {
      exec.listeners.add(listener);
      return () => exec.listeners.delete(listener);
    },
    write: (bytes) => {
      if (config.AttachStdin && exec.state.is === 'running') exec.state.process.type(bytes);
    },
    closeWrite: () => {
      if (config.AttachStdin && exec.state.is === 'running') exec.state.process.input.end();
    },
    signal,
  });
  exec.ends.add(() => joined.end());
  try {
    world.execs.start(exec, size);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    joined.say('stdout', encode(`${error.message}\r\n`));
    joined.end();
  }
  return joined.duplex;
}

/** What a health check finds. */
export async function probe(
  world: World,
  container: Container,
  command: string[],
): Promise<{ code: number; output: string }> {
  const exec = world.execs.create(container, { Cmd: command, AttachStdout: true, AttachStderr: true }, true);
  let output = '';
  exec.listeners.add((_, bytes) => (output += new TextDecoder().decode(bytes)));
  const known = container.behaviour.probe;
  if (known) return scripted(world, exec, known());
  const ended = new Promise<void>((resolve) => exec.ends.add(resolve));
  try {
    world.execs.start(exec, undefined);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { code: exec.state.is === 'ended' ? exec.state.code : 1, output: error.message };
  }
  await ended;
  return { code: exec.state.is === 'ended' ? exec.state.code : 0, output };
}

/** A probe whose outcome the scene knows: told like any other. */
function scripted(world: World, exec: Exec, found: { code: number; output: string }): { code: number; output: string } {
  tell(exec, 'exec_start');
  world.execs.finish(exec, found.code);
  return found;
}
