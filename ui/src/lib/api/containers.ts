import type { Backend, Duplex } from '$lib/backend/backend';
import { address, call, done, filters, json, withJson } from './call';
import { connect, isFramed, pieces } from './connection';
import type { Piece } from './frames';
import type {
  ContainerConfig,
  ContainerCreateRequest,
  ContainerCreateResponse,
  ContainerInspect,
  ContainerPruneReport,
  ContainerStats,
  ContainerSummary,
  ContainerTop,
  ContainerUpdateRequest,
  ContainerUpdateResponse,
  ContainerWaitResponse,
  FilesystemChange,
  IdResponse,
} from './generated';
import { values } from './lines';
import { step } from './path';

/** `signal` ends the request; what a process is sent is called `send`. */
export type Abort = { signal?: AbortSignal };

const at = (id: string, rest = '') => `/containers/${step(id)}${rest}`;

export type ListOptions = Abort & {
  /** Also those that do not run. */
  all?: boolean;
  /** With sizes: takes longer. */
  size?: boolean;
  limit?: number;
  filters?: Record<string, string[]>;
};

export function list(backend: Backend, options: ListOptions = {}): Promise<ContainerSummary[]> {
  const { signal, filters: given = {}, ...query } = options;
  const path = address('/containers/json', { ...query, filters: filters(given) });
  return json(backend, { method: 'GET', path, signal });
}

export function inspect(
  backend: Backend,
  id: string,
  { size, signal }: Abort & { size?: boolean } = {},
): Promise<ContainerInspect> {
  return json(backend, { method: 'GET', path: address(at(id, '/json'), { size }), signal });
}

export function create(
  backend: Backend,
  request: ContainerCreateRequest,
  { name, platform }: { name?: string; platform?: string } = {},
): Promise<ContainerCreateResponse> {
  return json(backend, withJson('POST', address('/containers/create', { name, platform }), request));
}

/** False if it ran already. */
export async function start(backend: Backend, id: string): Promise<boolean> {
  return (await done(backend, { method: 'POST', path: at(id, '/start') })) !== 304;
}

export type StopOptions = Abort & {
  /** Seconds until it is killed; -1: never. */
  seconds?: number;
  send?: string;
};

/** False if it did not run. Answers when the container has ended. */
export async function stop(backend: Backend, id: string, options: StopOptions = {}): Promise<boolean> {
  const path = address(at(id, '/stop'), { t: options.seconds, signal: options.send });
  return (await done(backend, { method: 'POST', path, signal: options.signal })) !== 304;
}

export async function restart(backend: Backend, id: string, options: StopOptions = {}): Promise<void> {
  const path = address(at(id, '/restart'), { t: options.seconds, signal: options.send });
  await done(backend, { method: 'POST', path, signal: options.signal });
}

export async function kill(backend: Backend, id: string, send?: string): Promise<void> {
  await done(backend, { method: 'POST', path: address(at(id, '/kill'), { signal: send }) });
}

export async function pause(backend: Backend, id: string): Promise<void> {
  await done(backend, { method: 'POST', path: at(id, '/pause') });
}

export async function unpause(backend: Backend, id: string): Promise<void> {
  await done(backend, { method: 'POST', path: at(id, '/unpause') });
}

export async function remove(
  backend: Backend,
  id: string,
  {
    force,
    volumes,
  }: { /** Also a running one. */ force?: boolean; /** With its anonymous volumes. */ volumes?: boolean } = {},
): Promise<void> {
  await done(backend, { method: 'DELETE', path: address(at(id), { force, v: volumes }) });
}

export async function rename(backend: Backend, id: string, name: string): Promise<void> {
  await done(backend, { method: 'POST', path: address(at(id, '/rename'), { name }) });
}

export function update(
  backend: Backend,
  id: string,
  request: ContainerUpdateRequest,
): Promise<ContainerUpdateResponse> {
  return json(backend, withJson('POST', at(id, '/update'), request));
}

/** Resolves when the condition holds. */
export function wait(
  backend: Backend,
  id: string,
  { condition, signal }: Abort & { condition?: 'not-running' | 'next-exit' | 'removed' } = {},
): Promise<ContainerWaitResponse> {
  return json(backend, { method: 'POST', path: address(at(id, '/wait'), { condition }), signal });
}

export function top(backend: Backend, id: string, { signal }: Abort = {}): Promise<ContainerTop> {
  return json(backend, { method: 'GET', path: at(id, '/top'), signal });
}

export async function changes(backend: Backend, id: string, { signal }: Abort = {}): Promise<FilesystemChange[]> {
  // `null` where there are none.
  const found = await json<FilesystemChange[] | null>(backend, { method: 'GET', path: at(id, '/changes'), signal });
  return found ?? [];
}

export type LogOptions = Abort & {
  /** Both streams unless one is turned off. */
  stdout?: boolean;
  stderr?: boolean;
  follow?: boolean;
  timestamps?: boolean;
  /** How many lines from the end; all of them if left out. */
  tail?: number;
  /** Seconds since the epoch, with fraction; or RFC 3339. */
  since?: number | string;
  until?: number | string;
};

/** What the container wrote. The stream ends with the log, or with the container when followed. */
export async function logs(backend: Backend, id: string, options: LogOptions = {}): Promise<ReadableStream<Piece>> {
  const { signal, stdout = true, stderr = true, tail = 'all', ...query } = options;
  const path = address(at(id, '/logs'), { stdout, stderr, tail, ...query });
  const answer = await call(backend, { method: 'GET', path, signal });
  return pieces(answer.body, isFramed(answer));
}

/** A sample a second, until the loop is left, the signal comes or the container is gone. */
export async function* stats(backend: Backend, id: string, { signal }: Abort = {}): AsyncGenerator<ContainerStats> {
  const answer = await call(backend, { method: 'GET', path: address(at(id, '/stats'), { stream: true }), signal });
  yield* values<ContainerStats>(answer.body);
}

/** One sample; with the one before it for rates it takes a second, alone it comes at once. */
export function statsOnce(
  backend: Backend,
  id: string,
  { rates = true, signal }: Abort & { rates?: boolean } = {},
): Promise<ContainerStats> {
  const path = address(at(id, '/stats'), { stream: false, 'one-shot': !rates });
  return json(backend, { method: 'GET', path, signal });
}

export type AttachOptions = Abort & {
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  /** What it wrote before, first. */
  logs?: boolean;
};

/** A connection to the container's own process. */
export function attach(backend: Backend, id: string, options: AttachOptions = {}): Promise<Duplex> {
  const { signal, stdin = true, stdout = true, stderr = true, logs = false } = options;
  const path = address(at(id, '/attach'), { stream: true, stdin, stdout, stderr, logs });
  return connect(backend, { method: 'POST', path, signal });
}

/** The size of the terminal of the container's own process, in characters. */
export async function resize(backend: Backend, id: string, size: { rows: number; columns: number }): Promise<void> {
  await done(backend, { method: 'POST', path: address(at(id, '/resize'), { h: size.rows, w: size.columns }) });
}

/** Its whole file system as a tar. */
export async function exportTar(
  backend: Backend,
  id: string,
  { signal }: Abort = {},
): Promise<ReadableStream<Uint8Array>> {
  return (await call(backend, { method: 'GET', path: at(id, '/export'), signal })).body;
}

/** Removes all that do not run. */
export function prune(backend: Backend, given: Record<string, string[]> = {}): Promise<ContainerPruneReport> {
  return json(backend, { method: 'POST', path: address('/containers/prune', { filters: filters(given) }) });
}

export type CommitOptions = {
  repo?: string;
  tag?: string;
  comment?: string;
  author?: string;
  /** Keeps the container still while it is copied; true if left out. */
  pause?: boolean;
  /** Lines of a Dockerfile. */
  changes?: string[];
  config?: Partial<ContainerConfig>;
};

/** Makes an image of what the container changed. */
export function commit(backend: Backend, id: string, options: CommitOptions = {}): Promise<IdResponse> {
  const { config = {}, ...query } = options;
  return json(backend, withJson('POST', address('/commit', { container: id, ...query }), config));
}
