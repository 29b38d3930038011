/** What scenes are put together from. */
import type { ContainerCreateRequest, HealthcheckInput, HostConfigInput } from '$lib/api/generated';
import type { Container } from '../containers/container';
import { create } from '../containers/create';
import { Health, planOf, watch } from '../containers/health';
import { start } from '../containers/lifecycle';
import type { Behaviour } from '../process/behaviour';
import { encode } from '../process/process';
import type { Voice } from '../process/service';
import type { World } from '../world';
import { have } from './catalogue';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export interface Wish {
  name: string;
  image: string;
  /** Milliseconds ago. */
  ago: number;
  command?: string[];
  entrypoint?: string[];
  env?: string[];
  labels?: Record<string, string>;
  ports?: Record<string, string>;
  volumes?: string[];
  networks?: string[];
  aliases?: string[];
  restart?: string;
  memory?: number;
  healthcheck?: HealthcheckInput;
  tty?: boolean;
  behaviour?: Behaviour;
  state?: 'created' | 'running';
}

/** Makes a container, and has it started long ago. */
export function run(world: World, wish: Wish): Container {
  if (!world.images.has(wish.image)) have(world, wish.image);
  const host: HostConfigInput = {
    Binds: wish.volumes ?? null,
    NetworkMode: wish.networks?.[0] ?? 'bridge',
    PortBindings: Object.fromEntries(
      Object.entries(wish.ports ?? {}).map(([port, host]) => [port, [{ HostIp: '', HostPort: host }]]),
    ),
    RestartPolicy: { Name: wish.restart ?? 'no' },
    Memory: wish.memory ?? 0,
  };
  const named = (wish.networks ?? []).map((name) => [name, { Aliases: wish.aliases ?? [] }]);
  const request: ContainerCreateRequest = {
    Image: wish.image,
    ...(wish.command ? { Cmd: wish.command } : {}),
    ...(wish.entrypoint ? { Entrypoint: wish.entrypoint } : {}),
    ...(wish.env ? { Env: wish.env } : {}),
    ...(wish.tty ? { Tty: true, OpenStdin: true } : {}),
    ...(wish.healthcheck ? { Healthcheck: wish.healthcheck } : {}),
    Labels: wish.labels ?? {},
    HostConfig: host,
    ...(named.length > 0 ? { NetworkingConfig: { EndpointsConfig: Object.fromEntries(named) } } : {}),
  };
  return world.past(wish.ago, () => {
    const { container } = create(world, request, wish.name);
    if (wish.behaviour) container.behaviour = { ...container.behaviour, ...wish.behaviour };
    if (wish.state !== 'created') start(world, container);
    return container;
  });
}

/** A container of a Compose project, with the labels that Compose gives it. */
export function service(
  world: World,
  project: string,
  name: string,
  wish: Omit<Wish, 'name'> & { number?: number },
): Container {
  const number = wish.number ?? 1;
  const labels = {
    'com.docker.compose.project': project,
    'com.docker.compose.service': name,
    'com.docker.compose.container-number': String(number),
    'com.docker.compose.oneoff': 'False',
    'com.docker.compose.project.config_files': `/home/ada/${project}/compose.yaml`,
    'com.docker.compose.project.working_dir': `/home/ada/${project}`,
    'com.docker.compose.version': '2.39.1',
    ...wish.labels,
  };
  return run(world, {
    networks: [`${project}_default`],
    aliases: [name],
    ...wish,
    name: `${project}-${name}-${number}`,
    labels,
  });
}

/** A Compose project's own network. */
export function projectNetwork(world: World, project: string, ago: number, name = 'default'): void {
  world.past(ago, () =>
    world.networks.create({
      Name: `${project}_${name}`,
      Labels: {
        'com.docker.compose.project': project,
        'com.docker.compose.network': name,
        'com.docker.compose.version': '2.39.1',
      },
    }),
  );
}

export function projectVolume(world: World, project: string, name: string, ago: number, bytes: number): void {
  world.past(ago, () => {
    const labels = { 'com.docker.compose.project': project, 'com.docker.compose.volume': name };
    world.volumes.create({ name: `${project}_${name}`, labels }).more = bytes;
  });
}

/** Has a container's program have said so many lines in the time that it ran. */
export function talked(world: World, container: Container, voice: Voice, lines: number): void {
  const { started, finished } = container.exit;
  const [from, to] = [started ?? world.clock.now(), finished ?? world.clock.now()];
  const say = (time: number, { stream = 'stdout', text }: ReturnType<Voice['line']>) =>
    container.log.add({ time, stream, bytes: encode(`${text}\n`) });
  for (const line of voice.start?.(from) ?? []) say(from, line);
  for (let turn = 0; turn < lines; turn++) {
    const time = from + ((to - from) * (turn + 1)) / (lines + 1);
    say(
      time,
      voice.line(turn, time, () => world.random.next()),
    );
  }
}

/** Has a running container's health be known already. */
export function judged(world: World, container: Container, status: 'healthy' | 'unhealthy', output: string): void {
  const plan = planOf(container.config.Healthcheck);
  if (plan === undefined) throw new Error(`${container.name} has no health check`);
  const code = status === 'healthy' ? 0 : 1;
  container.behaviour = { ...container.behaviour, probe: () => ({ code, output }) };
  watch(world, container);
  const health = container.health ?? new Health();
  const probes = status === 'healthy' ? 5 : plan.retries + 2;
  for (let left = probes; left > 0; left--) {
    const at = world.clock.now() - left * plan.interval;
    health.note(code, output, at, at + 40, plan, Infinity);
  }
}

/** Has a container have ended by itself, so long ago. */
export function over(world: World, container: Container, code: number, ago: number): void {
  world.past(ago, () => {
    container.stoppedByUser = true;
    container.process?.exit(code);
  });
}
