import type { Backend } from '$lib/backend/backend';
import { address, call, filters, json, text, withJson } from './call';
import type { Abort } from './containers';
import type { AuthConfig, AuthResponse, DiskUsage, EventMessage, SystemInfo, SystemVersion } from './generated';
import { values } from './lines';

export function info(backend: Backend, { signal }: Abort = {}): Promise<SystemInfo> {
  return json(backend, { method: 'GET', path: '/info', signal });
}

export function version(backend: Backend, { signal }: Abort = {}): Promise<SystemVersion> {
  return json(backend, { method: 'GET', path: '/version', signal });
}

/** What is used of the disk; only the given kinds are counted. */
export function df(
  backend: Backend,
  { types, signal }: Abort & { types?: ('container' | 'image' | 'volume' | 'build-cache')[] } = {},
): Promise<DiskUsage> {
  return json(backend, { method: 'GET', path: address('/system/df', { type: types }), signal });
}

export type Pong = {
  /** The engine's clock, to the second; undefined if the answer does not say. */
  date?: Date;
};

export async function ping(backend: Backend, { signal }: Abort = {}): Promise<Pong> {
  const answer = await call(backend, { method: 'GET', path: '/_ping', signal });
  await text(answer);
  return { date: dateOf(answer.headers.date) };
}

export type EventOptions = Abort & {
  /** Seconds since the epoch, with fraction. */
  since?: number;
  until?: number;
  filters?: Record<string, string[]>;
};

/** What happens from now on (or since then). The head of the answer is there when the engine listens: `opened` is called then. */
export async function* events(
  backend: Backend,
  options: EventOptions & { opened?: (date: Date | undefined) => void } = {},
): AsyncGenerator<EventMessage> {
  const { signal, since, until, filters: given = {}, opened } = options;
  const path = address('/events', { since, until, filters: filters(given) });
  const answer = await call(backend, { method: 'GET', path, signal });
  opened?.(dateOf(answer.headers.date));
  yield* values<EventMessage>(answer.body);
}

/** Tries credentials at their registry. */
export function auth(backend: Backend, credentials: AuthConfig): Promise<AuthResponse> {
  return json(backend, withJson('POST', '/auth', credentials));
}

function dateOf(header: string | undefined): Date | undefined {
  const time = header === undefined ? NaN : Date.parse(header);
  return Number.isNaN(time) ? undefined : new Date(time);
}
