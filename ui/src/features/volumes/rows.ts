/** Volumes as people see them. */
import type { ContainerSummary, Volume } from '$lib/api/generated';
import { user, type User } from '$features/images/rows';
import { isHelper } from '$lib/live/helpers';

export interface VolumeRow {
  name: string;
  driver: string;
  /** Made for a container that named only a path; its name is 64 figures. */
  anonymous: boolean;
  /** The Compose project that it belongs to. */
  project: string | undefined;
  /** `undefined` while it is not measured; the engine says -1 where it cannot be. */
  size: number | undefined;
  created: string | undefined;
  users: User[];
  labels: [string, string][];
}

export const ANONYMOUS = 'com.docker.volume.anonymous';
const PROJECT = 'com.docker.compose.project';

/** The containers of each volume, by its name; those that are only there to read one are none of them. */
export function usersOf(containers: readonly ContainerSummary[]): Map<string, User[]> {
  const users = new Map<string, User[]>();
  for (const container of containers) {
    if (isHelper(container)) continue;
    const names = new Set(
      (container.Mounts ?? []).flatMap((mount) => (mount.Type === 'volume' ? (mount.Name ?? []) : [])),
    );
    for (const name of names) {
      const known = users.get(name);
      if (known === undefined) users.set(name, [user(container)]);
      else known.push(user(container));
    }
  }
  return users;
}

/** The sizes that a measurement of the disk found. */
export function sizesOf(volumes: readonly Volume[] | null): Map<string, number> {
  const measured = (volumes ?? []).filter((volume) => (volume.UsageData?.Size ?? -1) >= 0);
  return new Map(measured.map((volume) => [volume.Name, volume.UsageData!.Size]));
}

export function rows(
  volumes: readonly Volume[],
  containers: readonly ContainerSummary[],
  sizes: ReadonlyMap<string, number>,
): VolumeRow[] {
  const users = usersOf(containers);
  return volumes.map((volume) => ({
    name: volume.Name,
    driver: volume.Driver,
    anonymous: volume.Labels?.[ANONYMOUS] !== undefined,
    project: volume.Labels?.[PROJECT],
    size: sizes.get(volume.Name),
    created: volume.CreatedAt,
    users: users.get(volume.Name) ?? [],
    labels: Object.entries(volume.Labels ?? {}),
  }));
}

export type Show = 'all' | 'used' | 'unused' | 'anonymous';

/** The rows with all words of `search` in name, labels or users, of the kind to show. */
export function chosen(all: readonly VolumeRow[], search: string, show: Show): VolumeRow[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((row) => {
    const kind =
      show === 'all' ||
      (show === 'used' && row.users.length > 0) ||
      (show === 'unused' && row.users.length === 0) ||
      (show === 'anonymous' && row.anonymous);
    if (!kind) return false;
    const labels = row.labels.map(([name, value]) => `${name}=${value}`);
    const text = [row.name, ...labels, ...row.users.map((user) => user.name)].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export type Scope = 'anonymous' | 'unused';

/** What `POST /volumes/prune` would take: what no container uses, whether that runs or not; since API 1.42 with a name only if asked. */
export function prunable(all: readonly VolumeRow[], scope: Scope): VolumeRow[] {
  return all.filter((row) => row.users.length === 0 && (scope === 'unused' || row.anonymous));
}

/** The sizes together; `undefined` if one is not known. */
export function together(of: readonly VolumeRow[]): number | undefined {
  let sum = 0;
  for (const { size } of of) {
    if (size === undefined) return undefined;
    sum += size;
  }
  return sum;
}

/** The twelve figures that stand for a name that nobody chose. */
export function title(row: Pick<VolumeRow, 'name' | 'anonymous'>): string {
  return row.anonymous && /^[0-9a-f]{64}$/.test(row.name) ? row.name.slice(0, 12) : row.name;
}
