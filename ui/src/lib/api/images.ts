import type { Backend, Request } from '$lib/backend/backend';
import { address, call, done, filters, json } from './call';
import type { Abort } from './containers';
import type {
  AuthConfig,
  DistributionInspect,
  ImageDeleteItem,
  ImageHistoryItem,
  ImageInspect,
  ImageSummary,
  JsonMessage,
  SearchResult,
} from './generated';
import { reference } from './path';
import { progress } from './progress';

const at = (name: string, rest = '') => `/images/${reference(name)}${rest}`;

export type ListOptions = Abort & {
  /** Also those that others are only built upon. */
  all?: boolean;
  digests?: boolean;
  /** What they share: takes longer. */
  sharedSize?: boolean;
  filters?: Record<string, string[]>;
};

export function list(backend: Backend, options: ListOptions = {}): Promise<ImageSummary[]> {
  const { signal, all, digests, sharedSize, filters: given = {} } = options;
  const query = { all, digests, 'shared-size': sharedSize, filters: filters(given) };
  return json(backend, { method: 'GET', path: address('/images/json', query), signal });
}

export function inspect(backend: Backend, name: string, { signal }: Abort = {}): Promise<ImageInspect> {
  return json(backend, { method: 'GET', path: at(name, '/json'), signal });
}

/** Newest first. */
export function history(backend: Backend, name: string, { signal }: Abort = {}): Promise<ImageHistoryItem[]> {
  return json(backend, { method: 'GET', path: at(name, '/history'), signal });
}

export type PullOptions = Abort & {
  platform?: string;
  auth?: AuthConfig;
  /** Every tag of a repository. */
  allTags?: boolean;
};

/** Fetches an image; throws `Refused` if it fails half way. Without tag and digest it is `latest`, unless all tags are wanted. */
export function pull(backend: Backend, image: string, options: PullOptions = {}): AsyncGenerator<JsonMessage> {
  const { name, tag } = split(image);
  const wanted = tag ?? (options.allTags ? undefined : 'latest');
  const path = address('/images/create', { fromImage: name, tag: wanted, platform: options.platform });
  return progress(backend, { method: 'POST', path, headers: credentials(options.auth), signal: options.signal });
}

/** Sends an image to the registry in its name. */
export function push(
  backend: Backend,
  image: string,
  { auth, signal }: Abort & { auth?: AuthConfig } = {},
): AsyncGenerator<JsonMessage> {
  const { name, tag } = split(image);
  // The header must be there even if it says nothing.
  const headers = credentials(auth ?? {});
  return progress(backend, { method: 'POST', path: address(at(name, '/push'), { tag }), headers, signal });
}

export async function tag(backend: Backend, name: string, to: { repo: string; tag?: string }): Promise<void> {
  await done(backend, { method: 'POST', path: address(at(name, '/tag'), to) });
}

export function remove(
  backend: Backend,
  name: string,
  { force, keepParents }: { force?: boolean; keepParents?: boolean } = {},
): Promise<ImageDeleteItem[]> {
  return json(backend, { method: 'DELETE', path: address(at(name), { force, noprune: keepParents }) });
}

/** Asks Docker Hub. */
export function search(
  backend: Backend,
  term: string,
  { limit, signal }: Abort & { limit?: number } = {},
): Promise<SearchResult[]> {
  return json(backend, { method: 'GET', path: address('/images/search', { term, limit }), signal });
}

/** What the registry has under a name, without fetching it. */
export function distribution(
  backend: Backend,
  name: string,
  { auth, signal }: Abort & { auth?: AuthConfig } = {},
): Promise<DistributionInspect> {
  const path = `/distribution/${reference(name)}/json`;
  return json(backend, { method: 'GET', path, headers: credentials(auth), signal });
}

/** The images as one tar that `load` takes. */
export async function save(
  backend: Backend,
  names: string[],
  { signal }: Abort = {},
): Promise<ReadableStream<Uint8Array>> {
  return (await call(backend, { method: 'GET', path: address('/images/get', { names }), signal })).body;
}

/** Takes in the images of a tar. */
export function load(
  backend: Backend,
  tar: NonNullable<Request['body']>,
  { signal }: Abort = {},
): AsyncGenerator<JsonMessage> {
  const headers = { 'content-type': 'application/x-tar' };
  return progress(backend, { method: 'POST', path: '/images/load', headers, body: tar, signal });
}

/** A reference in two: `localhost:5000/a/b:1` is `localhost:5000/a/b` and `1`, `a@sha256:…` is `a` and the digest. */
export function split(image: string): { name: string; tag?: string } {
  const digest = image.indexOf('@');
  if (digest >= 0) return { name: image.slice(0, digest), tag: image.slice(digest + 1) };
  // A colon before a slash belongs to the registry's port.
  const colon = image.lastIndexOf(':');
  if (colon <= image.lastIndexOf('/')) return { name: image };
  return { name: image.slice(0, colon), tag: image.slice(colon + 1) };
}

/** The header with credentials: base64 for addresses of their JSON in UTF-8. */
export function credentials(auth: AuthConfig | undefined): Record<string, string> {
  if (auth === undefined) return {};
  const bytes = new TextEncoder().encode(JSON.stringify(auth));
  const base64 = btoa(String.fromCharCode(...bytes));
  return { 'x-registry-auth': base64.replaceAll('+', '-').replaceAll('/', '_') };
}
