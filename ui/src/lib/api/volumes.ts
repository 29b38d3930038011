import type { Backend } from '$lib/backend/backend';
import { address, done, filters, json, withJson } from './call';
import type { Abort } from './containers';
import type { Volume, VolumeCreateRequest, VolumeList } from './generated';
import { step } from './path';

const at = (name: string) => `/volumes/${step(name)}`;

export async function list(
  backend: Backend,
  { signal, filters: given = {} }: Abort & { filters?: Record<string, string[]> } = {},
): Promise<Volume[]> {
  const path = address('/volumes', { filters: filters(given) });
  const found = await json<VolumeList>(backend, { method: 'GET', path, signal });
  return found.Volumes ?? [];
}

export function inspect(backend: Backend, name: string, { signal }: Abort = {}): Promise<Volume> {
  return json(backend, { method: 'GET', path: at(name), signal });
}

/** Without a name it is an anonymous one. */
export function create(backend: Backend, request: VolumeCreateRequest): Promise<Volume> {
  return json(backend, withJson('POST', '/volumes/create', request));
}

export async function remove(backend: Backend, name: string, { force }: { force?: boolean } = {}): Promise<void> {
  await done(backend, { method: 'DELETE', path: address(at(name), { force }) });
}
