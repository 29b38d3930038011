import { Refused } from '$lib/api/call';
import * as archives from '$lib/api/archive';
import type { Backend } from '$lib/backend/backend';
import { pool } from '$features/containers/pool';
import { kindOf, within } from './entry';

/** So many questions are on their way at once. */
const AT_ONCE = 6;

/**
 * The paths of an upload at which there is something that it takes the place of, in folders that are there too. The container is asked, not
 * what was listed: that may be old, or not all.
 */
export async function replaced(
  backend: Backend,
  id: string,
  folder: string,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<string[]> {
  const below = new Map<string, string[]>();
  for (const path of paths) {
    const at = path.lastIndexOf('/');
    const above = at < 0 ? '' : path.slice(0, at);
    below.set(above, [...(below.get(above) ?? []), path]);
  }
  const lost = new Set<string>();
  // In a folder that is not there nothing is lost.
  const inside = new Map<string, Promise<boolean>>();
  const isThere = (above: string): Promise<boolean> => {
    if (above === '') return Promise.resolve(true);
    const asked = inside.get(above) ?? once(above);
    inside.set(above, asked);
    return asked;
  };
  const once = async (above: string) => {
    const at = above.lastIndexOf('/');
    return (await isThere(at < 0 ? '' : above.slice(0, at))) && (await look(above)) !== undefined;
  };
  const look = async (path: string) => {
    try {
      return kindOf(await archives.head(backend, id, within(folder, path), { signal }));
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    }
  };
  for (const [above, some] of below) {
    if (!(await isThere(above))) continue;
    await pool(some, AT_ONCE, async (path) => {
      const kind = await look(path);
      // The engine refuses a file in the place of a folder.
      if (kind !== undefined && kind !== 'folder') lost.add(path);
    });
  }
  return paths.filter((path) => lost.has(path));
}
