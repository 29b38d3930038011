/** Which images nobody needs, by the engine's own rules (`vm-agent/images/src/remove.rs`, as dockerd), and their removal. */
import type { ContainerSummary, ImageDeleteItem, ImageSummary } from '$lib/api/generated';
import * as images from '$lib/api/images';
import * as system from '$lib/api/system';
import type { Backend } from '$lib/backend/backend';
import { each, type Kept } from '$lib/kit/each';
import { split } from './reference';
import { tags } from './rows';

export type Scope = 'dangling' | 'unused';

export interface Plan {
  /** Images that go with all their layers that no other image has. */
  goes: ImageSummary[];
  /** Images that lose their names but stay, since an image that stays was made from them. */
  untagged: ImageSummary[];
  /** Bytes if no layer were shared with an image that stays: the most that can come free. */
  atMost: number;
}

export function plan(images: readonly ImageSummary[], containers: readonly ContainerSummary[], scope: Scope): Plan {
  const used = new Set(containers.map((container) => container.ImageID));
  const candidates = images.filter((image) => !used.has(image.Id) && (scope === 'unused' || tags(image).length === 0));
  const going = new Set(candidates.map((image) => image.Id));
  const children = childrenOf(images);
  // An image that another was made from stays as long as that one does; so on down the line.
  for (let changed = true; changed;) {
    changed = false;
    for (const id of going) {
      if ((children.get(id) ?? []).some((child) => !going.has(child))) changed = going.delete(id);
    }
  }
  const goes = candidates.filter((image) => going.has(image.Id));
  return {
    goes,
    untagged: candidates.filter((image) => !going.has(image.Id) && tags(image).length > 0),
    atMost: goes.reduce((sum, image) => sum + image.Size, 0),
  };
}

function childrenOf(images: readonly ImageSummary[]): Map<string, string[]> {
  const children = new Map<string, string[]>();
  for (const { Id, ParentId } of images) {
    if (ParentId !== '') children.set(ParentId, [...(children.get(ParentId) ?? []), Id]);
  }
  return children;
}

/** What came of a clean-up. */
export interface Outcome {
  /** Names that images lost. */
  names: string[];
  /** IDs of images, of those that were shown. */
  gone: string[];
  /** How many other layers went with them. */
  layers: number;
  kept: Kept[];
  /** Bytes; `undefined` where the engine does not say what it stores. */
  freed: number | undefined;
}

/**
 * Removes what was shown, name by name: the engine's own prune would take what came free meanwhile too, and nobody was asked about that.
 * A name that another image took meanwhile is that one's, and a new name keeps an image.
 */
export async function carryOut(backend: Backend, { goes, untagged }: Plan): Promise<Outcome> {
  const before = await stored(backend);
  const now = new Map((await images.list(backend)).map((image) => [image.Id, image]));
  const items: ImageDeleteItem[] = [];
  const shown = childrenFirst([...goes, ...untagged]);
  const targets = shown.flatMap((image) => targetsOf(image, now.get(image.Id)));
  const { kept } = await each(targets, String, async (target) => {
    items.push(...(await images.remove(backend, target)));
  });
  const after = await stored(backend);
  const deleted = items.flatMap(({ Deleted }) => Deleted ?? []);
  const ids = new Set(shown.map(({ Id }) => Id));
  const gone = deleted.filter((id) => ids.has(id));
  return {
    names: items.flatMap(({ Untagged }) => Untagged ?? []),
    gone,
    layers: deleted.length - gone.length,
    kept,
    freed: before === undefined || after === undefined ? undefined : Math.max(0, before - after),
  };
}

/** What the engine is asked to remove so that an image that was shown goes, if it is `there` as it was. */
function targetsOf(shown: ImageSummary, there: ImageSummary | undefined): string[] {
  if (there === undefined) return [];
  const names = tags(shown).filter((name) => tags(there).includes(name));
  if (names.length === 0) return tags(there).length === 0 ? [there.Id] : [];
  // A digest goes with the last name of its repository; one of another repository would keep the image.
  const repositories = new Set(tags(there).map((name) => split(name).name));
  return [...names, ...(there.RepoDigests ?? []).filter((digest) => !repositories.has(split(digest).name))];
}

/** An image that another was made from can only go after that one. */
function childrenFirst(of: readonly ImageSummary[]): ImageSummary[] {
  const parents = new Map(of.map(({ Id, ParentId }) => [Id, ParentId]));
  const depth = (id: string): number => (parents.has(id) ? 1 + depth(parents.get(id)!) : 0);
  return of.toSorted((a, b) => depth(b.Id) - depth(a.Id));
}

/** Bytes of all layers. What is freed is told by the way: it must not keep anything from going. */
async function stored(backend: Backend): Promise<number | undefined> {
  try {
    return (await system.df(backend, { types: ['image'] })).LayersSize;
  } catch {
    return undefined;
  }
}
