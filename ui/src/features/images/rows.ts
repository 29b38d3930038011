/** The list of images as people see it: a row a name, one for an image without any. */
import { isHelper } from '$lib/live/helpers';
import { row, type Row } from '$features/containers/rows';
import { shortId } from '$lib/api/names';
import type { ContainerSummary, ImageSummary } from '$lib/api/generated';
import { split } from './reference';

export type User = Pick<Row, 'id' | 'name' | 'state' | 'health' | 'exitCode'>;

export interface ImageRow {
  key: string;
  /** What the engine is asked for: the name, so that the others of the image stay, or the ID. */
  target: string;
  id: string;
  shortId: string;
  /** Without tag; `undefined` when nothing is known of where it comes from. */
  repository: string | undefined;
  /** `undefined`: the image has no name, only what it was once pulled or built as. */
  tag: string | undefined;
  size: number;
  /** Seconds since the epoch. */
  created: number;
  users: User[];
  /** Other names of the same image. */
  others: string[];
}

/** The containers of each image, by the image's ID. */
export function usersOf(containers: readonly ContainerSummary[]): Map<string, User[]> {
  const users = new Map<string, User[]>();
  for (const container of containers) {
    if (isHelper(container)) continue;
    const known = users.get(container.ImageID);
    if (known === undefined) users.set(container.ImageID, [user(container)]);
    else known.push(user(container));
  }
  return users;
}

export function user(container: ContainerSummary): User {
  const { id, name, state, health, exitCode } = row(container);
  return { id, name, state, health, exitCode };
}

/** The names of an image; older engines have a name for having none. */
export function tags(image: { RepoTags: string[] | null }): string[] {
  return (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
}

export function rows(images: readonly ImageSummary[], containers: readonly ContainerSummary[]): ImageRow[] {
  const users = usersOf(containers);
  return images.flatMap((image) => {
    const names = tags(image);
    const one = (target: string, repository: string | undefined, tag: string | undefined): ImageRow => ({
      key: target,
      target,
      id: image.Id,
      shortId: shortId(image.Id),
      repository,
      tag,
      size: image.Size,
      created: image.Created,
      users: users.get(image.Id) ?? [],
      others: names.filter((name) => name !== target),
    });
    if (names.length === 0) return [one(image.Id, origin(image), undefined)];
    return names.map((name) => {
      const { name: repository, tag } = split(name);
      return one(name, repository, tag ?? '');
    });
  });
}

/** The repository that a digest remembers. */
function origin(image: ImageSummary): string | undefined {
  const digest = (image.RepoDigests ?? []).find((known) => !known.startsWith('<none>'));
  return digest === undefined ? undefined : split(digest).name;
}

export type Show = 'all' | 'used' | 'unused' | 'dangling';

/** The rows with all words of `search` in name, ID or users, of the kind to show. */
export function chosen(all: readonly ImageRow[], search: string, show: Show): ImageRow[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((row) => {
    const kind =
      show === 'all' ||
      (show === 'used' && row.users.length > 0) ||
      (show === 'unused' && row.users.length === 0) ||
      (show === 'dangling' && row.tag === undefined);
    if (!kind) return false;
    const text = [title(row), row.id, ...row.users.map((user) => user.name)].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** `nginx:1.27`; `<none>` where there is nothing, as `docker` writes it. */
export function title(row: Pick<ImageRow, 'repository' | 'tag'>): string {
  return `${row.repository ?? '<none>'}:${row.tag ?? '<none>'}`;
}

export const by = {
  name: (a: ImageRow, b: ImageRow) =>
    (a.repository ?? '\uffff').localeCompare(b.repository ?? '\uffff') || (a.tag ?? '').localeCompare(b.tag ?? ''),
  size: (a: ImageRow, b: ImageRow) => a.size - b.size,
  created: (a: ImageRow, b: ImageRow) => a.created - b.created,
  users: (a: ImageRow, b: ImageRow) => a.users.length - b.users.length,
};
