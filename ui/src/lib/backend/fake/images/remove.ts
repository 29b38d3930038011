import type { ImageDeleteItem } from '$lib/api/generated';
import { conflict, invalid } from '../core/failure';
import type { World } from '../world';
import { type Image, layers, short } from './images';
import type { Reference } from './reference';

type Gone = { untagged: string; image: Image } | { deleted: Image } | { layer: string };

/** Removes a name, or an image with all its names when it is named by its ID. */
export function remove(world: World, name: string, force: boolean, keepParents: boolean): ImageDeleteItem[] {
  if (name === '') throw invalid('image name cannot be blank');
  const { image, reference } = world.images.look(name);
  const gone: Gone[] = [];
  if (reference === undefined) removeById(world, image, force, gone);
  else removeReference(world, image, reference, force, gone);
  if (!keepParents && !world.images.all.has(image.id)) removeParents(world, image.parent, gone);
  return told(world, gone, reference === undefined);
}

function removeReference(world: World, image: Image, reference: Reference, force: boolean, gone: Gone[]): void {
  let rest = world.images.names(image);
  const [holder] = holders(world, image);
  if (!force && isSingle(rest) && holder !== undefined) {
    const using = `container ${holder.id.slice(0, 12)} is using its referenced image ${short(image.id)}`;
    throw conflict(`conflict: unable to remove repository reference "${reference.familiar}" (must force) - ${using}`);
  }
  const names = [reference];
  rest = rest.filter((other) => other.familiar !== reference.familiar);
  const ofSame = (other: Reference) => other.name === reference.name;
  // The last tag of a repository takes the repository's digests with it.
  if (reference.digest === undefined && !rest.some((other) => ofSame(other) && other.digest === undefined)) {
    names.push(...rest.filter(ofSame));
    rest = rest.filter((other) => !ofSame(other));
  }
  if (rest.length === 0 && standing(world, image, names, force, true) === undefined) erase(world, image, names, gone);
  else untag(world, image, names, gone);
}

function removeById(world: World, image: Image, force: boolean, gone: Gone[]): void {
  const names = world.images.names(image);
  const against = standing(world, image, names, force, isSingle(names));
  if (against !== undefined) throw conflict(against);
  erase(world, image, names, gone);
}

/** Removes the ancestors, nearest first, up to one that somebody names or uses. */
function removeParents(world: World, parent: string | undefined, gone: Gone[]): void {
  for (let id = parent; id !== undefined;) {
    const image = world.images.all.get(id);
    if (image === undefined || world.images.names(image).length > 0) return;
    if (world.images.children(image).length > 0 || holders(world, image).length > 0) return;
    erase(world, image, [], gone);
    id = image.parent;
  }
}

/** Removes images that nobody names, or all that no container uses. */
export function prune(
  world: World,
  danglingOnly: boolean,
  keep: (image: Image) => boolean,
): { items: ImageDeleteItem[]; reclaimed: number } {
  const { images } = world;
  const gone: Gone[] = [];
  const before = stored(world);
  for (const image of [...images.all.values()]) {
    const passedOver = danglingOnly ? images.tags(image).length > 0 : images.isIntermediate(image);
    if (passedOver || keep(image) || !images.all.has(image.id) || holders(world, image).length > 0) continue;
    if (images.children(image).length > 0) {
      if (!danglingOnly) untag(world, image, images.names(image), gone);
      continue;
    }
    erase(world, image, images.names(image), gone);
    removeParents(world, image.parent, gone);
  }
  const items = told(world, gone, false);
  const reclaimed = before - stored(world);
  world.bus.emit('image', 'prune', '', { reclaimed: String(reclaimed) });
  return { items, reclaimed };
}

/** The bytes of all layers, each counted once. */
export function stored(world: World): number {
  const sizes = new Map(
    [...world.images.all.values()].flatMap((image) => layers(image).map((layer) => [layer.diffId, layer.size])),
  );
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function untag(world: World, image: Image, names: Reference[], gone: Gone[]): void {
  for (const name of names) {
    world.images.references.delete(name.familiar);
    gone.push({ untagged: name.familiar, image });
  }
}

function erase(world: World, image: Image, names: Reference[], gone: Gone[]): void {
  untag(world, image, names, gone);
  world.images.all.delete(image.id);
  gone.push({ deleted: image });
  const kept = new Set([...world.images.all.values()].flatMap((other) => chains(other)));
  for (const chain of chains(image).toReversed()) if (!kept.has(chain)) gone.push({ layer: chain.split(' ').at(-1)! });
}

// A layer is known by all below it: the same files on others are another one.
function chains(image: Image): string[] {
  const ids = layers(image).map((layer) => layer.diffId);
  return ids.map((_, index) => ids.slice(0, index + 1).join(' '));
}

function holders(world: World, image: Image) {
  return world.containers.all().filter((container) => container.image === image.id);
}

/** What stands against deleting an image. */
function standing(world: World, image: Image, names: Reference[], force: boolean, single: boolean): string | undefined {
  const words = (how: string, why: string) => `conflict: unable to delete ${short(image.id)} (${how}) - ${why}`;
  if (world.images.children(image).length > 0) return words('cannot be forced', 'image has dependent child images');
  const users = holders(world, image);
  const running = users.find((container) => container.countsAsRunning);
  if (running) return words('cannot be forced', `image is being used by running container ${running.id.slice(0, 12)}`);
  if (force) return undefined;
  if (names.length > 0 && !single) return words('must be forced', 'image is referenced in multiple repositories');
  if (users[0] === undefined) return undefined;
  return words('must be forced', `image is being used by stopped container ${users[0].id.slice(0, 12)}`);
}

/** One reference, or one tag and the digests of the same repository. */
function isSingle(names: Reference[]): boolean {
  if (names.length <= 1) return names.length === 1;
  const tags = names.filter((name) => name.digest === undefined).length;
  return new Set(names.map((name) => name.name)).size === 1 && tags <= 1;
}

function told(world: World, gone: Gone[], byId: boolean): ImageDeleteItem[] {
  let repository: string | undefined;
  return gone.map((item) => {
    if ('layer' in item) return { Deleted: item.layer };
    if ('deleted' in item) {
      world.images.emit('delete', item.deleted.id, item.deleted.id);
      return { Deleted: item.deleted.id };
    }
    const [name, digest] = item.untagged.split('@', 2) as [string, string?];
    // Digests that go with the last tag of their repository go silently.
    const silent = digest !== undefined && !byId && repository === `${item.image.id} ${name}`;
    if (digest === undefined) repository = `${item.image.id} ${name.slice(0, name.lastIndexOf(':'))}`;
    if (!silent) world.images.emit('untag', item.image.id, item.image.id, item.image);
    return { Untagged: item.untagged };
  });
}
