import type { Backend } from '$lib/backend/backend';
import { address, done, filters, json, withJson } from './call';
import type { Abort } from './containers';
import type {
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkCreateResponse,
  NetworkDisconnectRequest,
  NetworkInspect,
} from './generated';
import { step } from './path';

const at = (id: string, rest = '') => `/networks/${step(id)}${rest}`;

/** Without who is on them: `inspect` says it. */
export function list(
  backend: Backend,
  { signal, filters: given = {} }: Abort & { filters?: Record<string, string[]> } = {},
): Promise<NetworkInspect[]> {
  return json(backend, { method: 'GET', path: address('/networks', { filters: filters(given) }), signal });
}

export function inspect(backend: Backend, id: string, { signal }: Abort = {}): Promise<NetworkInspect> {
  return json(backend, { method: 'GET', path: at(id), signal });
}

export function create(backend: Backend, request: NetworkCreateRequest): Promise<NetworkCreateResponse> {
  return json(backend, withJson('POST', '/networks/create', request));
}

export async function remove(backend: Backend, id: string): Promise<void> {
  await done(backend, { method: 'DELETE', path: at(id) });
}

export async function connect(backend: Backend, id: string, request: NetworkConnectRequest): Promise<void> {
  await done(backend, withJson('POST', at(id, '/connect'), request));
}

export async function disconnect(backend: Backend, id: string, request: NetworkDisconnectRequest): Promise<void> {
  await done(backend, withJson('POST', at(id, '/disconnect'), request));
}
