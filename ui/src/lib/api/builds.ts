import type { Backend } from '$lib/backend/backend';
import { address, call, done, filters, json } from './call';
import type { Abort } from './containers';
import { step } from './path';
import { df } from './system';

/** Something that builds keep beside images, as `GET /system/df` tells of it (`vm-agent/api/src/routes/build.rs`). */
export interface CacheRecord {
  ID: string;
  /** As BuildKit calls it, such as `exec.cachemount`. */
  Type: string;
  Description: string;
  InUse: boolean;
  /** Bytes. */
  Size: number;
  LastUsedAt: string | null;
}

/** The answer to `POST /build/prune`. */
export interface CachePruned {
  CachesDeleted: string[] | null;
  SpaceReclaimed: number;
}

export async function cache(backend: Backend, { signal }: Abort = {}): Promise<CacheRecord[]> {
  return ((await df(backend, { types: ['build-cache'], signal })).BuildCache ?? []) as CacheRecord[];
}

/** Removes these and no others; what is in use by then stays. */
export function prune(backend: Backend, ids: readonly string[], { signal }: Abort = {}): Promise<CachePruned> {
  // An ID may be a pattern there, and only one is taken.
  const pattern = `^(${ids.map((id) => id.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|')})$`;
  return json(backend, {
    method: 'POST',
    path: address('/build/prune', { all: true, filters: filters({ id: [pattern] }) }),
    signal,
  });
}

export type BuildStatus = 'running' | 'completed' | 'error' | 'canceled';

/** One build in the engine's history: `GET /berth/builds`, the engine's own beside Docker's API. */
export interface Build {
  Ref: string;
  /** What people call it: the folder's name, with the Dockerfile if that is not the usual one. */
  Name: string;
  Dockerfile: string;
  /** As the client named it; empty if it did not. */
  Context: string;
  Target: string;
  Platform: string;
  Status: BuildStatus;
  /** Why it failed; empty of one that did not, or was called off. */
  Error: string;
  CreatedAt: string;
  /** Null while it runs. */
  CompletedAt: string | null;
  Steps: { Total: number; Completed: number; Cached: number; Warnings: number };
  Tags: string[];
  /** Empty where no image came of it. */
  ImageID: string;
}

/** One step. Null for what has not begun, or not ended. */
export interface BuildVertex {
  Digest: string;
  Name: string;
  StartedAt: string | null;
  CompletedAt: string | null;
  Cached: boolean;
  Error: string;
}

/** A build with its steps, in the order in which they were first told of. */
export interface BuildInspect extends Build {
  Vertices: BuildVertex[];
}

const at = (ref: string, rest = '') => `/berth/builds/${step(ref)}${rest}`;

/** Newest first. */
export function list(backend: Backend, { signal }: Abort = {}): Promise<Build[]> {
  return json(backend, { method: 'GET', path: '/berth/builds', signal });
}

export function inspect(backend: Backend, ref: string, { signal }: Abort = {}): Promise<BuildInspect> {
  return json(backend, { method: 'GET', path: at(ref), signal });
}

export type BuildLogOptions = Abort & {
  /** Goes on until a running build ends. */
  follow?: boolean;
  /** Only what this step wrote, by its digest. */
  vertex?: string;
};

/** What `docker build --progress=plain` tells, as text. */
export async function logs(
  backend: Backend,
  ref: string,
  { follow, vertex, signal }: BuildLogOptions = {},
): Promise<ReadableStream<Uint8Array>> {
  const path = address(at(ref, '/logs'), { follow: follow ? 1 : undefined, vertex });
  return (await call(backend, { method: 'GET', path, signal })).body;
}

/** Forgets a build; its image stays. One that runs is refused. */
export async function remove(backend: Backend, ref: string): Promise<void> {
  await done(backend, { method: 'DELETE', path: at(ref) });
}
