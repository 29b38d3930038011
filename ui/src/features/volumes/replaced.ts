import type { Entry } from '$features/container/files/entry';

/** What is lost when files are written to these paths of a folder: the engine puts them in the place of what has their names. */
export function replaced(paths: readonly string[], entries: readonly Pick<Entry, 'name' | 'kind'>[]): string[] {
  const there = new Set(entries.filter(({ kind }) => kind !== 'folder').map(({ name }) => name));
  return paths.filter((path) => there.has(path));
}
