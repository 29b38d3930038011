import type { Answer, Backend, Request } from '$lib/backend/backend';
import { address, call, done } from './call';
import type { Abort } from './containers';
import type { PathStat } from './generated';
import { step } from './path';

const at = (id: string, path: string, more: Record<string, boolean | undefined> = {}) =>
  address(`/containers/${step(id)}/archive`, { path, ...more });

/** What is at a path of a container, running or not. */
export async function head(backend: Backend, id: string, path: string, { signal }: Abort = {}): Promise<PathStat> {
  const answer = await backend.request({ method: 'HEAD', path: at(id, path), signal });
  // An answer to HEAD has no words in it: asked again with GET for those of a refusal.
  if (answer.status >= 400) return (await get(backend, id, path, { signal })).stat;
  return stat(answer);
}

/** A file or folder as a tar with what is at the path itself. */
export async function get(
  backend: Backend,
  id: string,
  path: string,
  { signal }: Abort = {},
): Promise<{ stat: PathStat; tar: ReadableStream<Uint8Array> }> {
  const answer = await call(backend, { method: 'GET', path: at(id, path), signal });
  return { stat: stat(answer), tar: answer.body };
}

/** Unpacks a tar into a folder of the container. */
export async function put(
  backend: Backend,
  id: string,
  path: string,
  tar: NonNullable<Request['body']>,
  options: Abort & {
    /** A folder is not replaced by a file, nor a file by a folder. */
    keepKinds?: boolean;
    /** Everything becomes the container's user's; else owners are as in the tar. */
    toUser?: boolean;
  } = {},
): Promise<void> {
  const query = { noOverwriteDirNonDir: options.keepKinds, copyUIDGID: options.toUser };
  const headers = { 'content-type': 'application/x-tar' };
  await done(backend, { method: 'PUT', path: at(id, path, query), headers, body: tar, signal: options.signal });
}

// Base64 of JSON in UTF-8.
function stat(answer: Answer): PathStat {
  const header = answer.headers['x-docker-container-path-stat'];
  if (header === undefined) throw new Error('the answer does not say what is at the path');
  const bytes = Uint8Array.from(atob(header), (letter) => letter.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)) as PathStat;
}
