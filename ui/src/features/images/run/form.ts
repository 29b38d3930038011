/** What is filled in to run an image, and the request that comes of it. */
import type {
  ContainerCreateRequest,
  ImageConfig,
  ImageInspect,
  MountInput,
  PortBindingInput,
} from '$lib/api/generated';
import { hostOf } from './ports';
import { cut, line } from '$lib/kit/commandLine';

export const RESTARTS = ['no', 'on-failure', 'unless-stopped', 'always'] as const;
export type Restart = (typeof RESTARTS)[number];
export const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];
export const MOUNTS = ['volume', 'bind', 'tmpfs'] as const;
export type MountKind = (typeof MOUNTS)[number];

export interface PortRow {
  container: string;
  protocol: Protocol;
  /** `8080`, `127.0.0.1:8080`, `8000-8010`; empty: any free one. */
  host: string;
}

export interface MountRow {
  kind: MountKind;
  /** A volume's name (empty: a new anonymous one) or a path of the host. */
  source: string;
  target: string;
  readOnly: boolean;
}

export interface EnvRow {
  name: string;
  value: string;
}

export interface Form {
  image: string;
  name: string;
  entrypoint: string;
  command: string;
  /** A terminal that stays open: without it a shell ends at once. */
  terminal: boolean;
  ports: PortRow[];
  mounts: MountRow[];
  env: EnvRow[];
  network: string;
  restart: Restart;
  retries: string;
  autoRemove: boolean;
}

const SHELLS = /^(?:\/(?:usr\/)?bin\/)?(?:sh|ash|bash|dash|zsh|fish|busybox)$/;

export function blank(image = ''): Form {
  return {
    image,
    name: '',
    entrypoint: '',
    command: '',
    terminal: false,
    ports: [],
    mounts: [],
    env: [],
    network: 'bridge',
    restart: 'no',
    retries: '',
    autoRemove: false,
  };
}

/** `form` with what the image's configuration suggests; `suggest` gives a free port of the host for one of the container. */
export function fill(
  form: Form,
  config: ImageConfig | null,
  suggest: (port: number, protocol: string) => string,
): Form {
  const command = config?.Cmd ?? [];
  return {
    ...form,
    entrypoint: line(config?.Entrypoint ?? []),
    command: line(command),
    terminal: (config?.Entrypoint ?? []).length === 0 && command.length === 1 && SHELLS.test(command[0]!),
    ports: Object.keys(config?.ExposedPorts ?? {}).flatMap((text) => exposed(text, suggest)),
    mounts: Object.keys(config?.Volumes ?? {}).map((target) => ({
      kind: 'volume',
      source: '',
      target,
      readOnly: false,
    })),
    env: (config?.Env ?? []).map(variable),
  };
}

function exposed(text: string, suggest: (port: number, protocol: string) => string): PortRow[] {
  const [port = '', protocol = 'tcp'] = text.split('/');
  const known = PROTOCOLS.find((one) => one === protocol);
  if (known === undefined) return [];
  // A range stays what it is: there is no one port to suggest.
  const host = /^\d+$/.test(port) ? suggest(Number(port), known) : '';
  return [{ container: port, protocol: known, host }];
}

function variable(text: string): EnvRow {
  const equals = text.indexOf('=');
  return equals < 0 ? { name: text, value: '' } : { name: text.slice(0, equals), value: text.slice(equals + 1) };
}

/** The request for a form without problems; what is as the image has it is left to the image. */
export function request(form: Form, image: Pick<ImageInspect, 'Config'> | undefined): ContainerCreateRequest {
  const config = image?.Config ?? null;
  const entrypoint = cut(form.entrypoint).words;
  const command = cut(form.command).words;
  const ownEntrypoint = entrypoint.length > 0 && !same(entrypoint, config?.Entrypoint ?? []);
  const ownCommand = command.length > 0 && (ownEntrypoint || !same(command, config?.Cmd ?? []));
  const policy = {
    Name: form.restart,
    ...(form.restart === 'on-failure' && form.retries !== '' ? { MaximumRetryCount: Number(form.retries) } : {}),
  };
  const exposed = form.ports.map((row) => [portOf(row), {}] as const);
  return {
    Image: form.image,
    ...(ownEntrypoint ? { Entrypoint: entrypoint } : {}),
    ...(ownCommand ? { Cmd: command } : {}),
    ...(form.terminal ? { Tty: true, OpenStdin: true } : {}),
    Env: environment(form.env, config?.Env ?? []),
    ExposedPorts: Object.fromEntries(exposed),
    HostConfig: {
      NetworkMode: form.network,
      PortBindings: bindings(form.ports),
      Mounts: form.mounts.map(mount),
      RestartPolicy: policy,
      AutoRemove: form.autoRemove,
    },
  };
}

function portOf({ container, protocol }: PortRow): string {
  return `${container}/${protocol}`;
}

function bindings(rows: readonly PortRow[]): Record<string, PortBindingInput[]> {
  const bound: Record<string, PortBindingInput[]> = {};
  for (const row of rows) {
    const host = hostOf(row.host);
    (bound[portOf(row)] ??= []).push({ HostIp: host?.address ?? '', HostPort: host?.ports ?? '' });
  }
  return bound;
}

function mount({ kind, source, target, readOnly }: MountRow): MountInput {
  return {
    Type: kind,
    Target: target,
    ...(kind === 'tmpfs' || source === '' ? {} : { Source: source }),
    ...(readOnly ? { ReadOnly: true } : {}),
  };
}

/** What differs from the image's; a name alone takes a variable of the image away. */
export function environment(rows: readonly EnvRow[], image: readonly string[]): string[] {
  const given = rows.filter((row) => row.name !== '');
  const names = new Set(given.map((row) => row.name));
  const set = given.map((row) => `${row.name}=${row.value}`).filter((text) => !image.includes(text));
  return [...set, ...image.map((text) => variable(text).name).filter((name) => !names.has(name))];
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((word, at) => word === b[at]);
}
