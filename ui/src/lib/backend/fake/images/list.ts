import type { ImageSummary } from '$lib/api/generated';
import type { Filters } from '../core/filters';
import { system } from '../core/failure';
import { pointInTime, seconds } from '../core/time';
import type { World } from '../world';
import { type Image, layers, sizeOf } from './images';
import { Reference } from './reference';

const KNOWN = ['dangling', 'label', 'before', 'since', 'reference', 'until'];

export function list(world: World, filters: Filters, all: boolean, shared: boolean): ImageSummary[] {
  filters.only(KNOWN);
  const choose = choice(world, filters);
  return [...world.images.all.values()]
    .filter((image) => all || !world.images.isIntermediate(image))
    .flatMap((image) => choose(image) ?? [])
    .map((summary) => ({ ...summary, SharedSize: shared ? summary.SharedSize : -1 }))
    .toSorted((a, b) => b.Created - a.Created);
}

export function summarise(world: World, image: Image): ImageSummary {
  const { images, containers } = world;
  const others = new Set(
    [...images.all.values()]
      .filter((other) => other !== image)
      .flatMap((other) => layers(other).map((layer) => layer.diffId)),
  );
  return {
    Containers: containers.all().filter((container) => container.image === image.id).length,
    Created: image.created === undefined ? 0 : seconds(image.created),
    Id: image.id,
    Labels: image.config.Labels,
    ParentId: image.parent ?? '',
    RepoDigests: images.digests(image),
    RepoTags: images.tags(image),
    SharedSize: layers(image).reduce((sum, layer) => sum + (others.has(layer.diffId) ? layer.size : 0), 0),
    Size: sizeOf(image),
  };
}

/** The image with those of its names that were asked for, or nothing. */
function choice(world: World, filters: Filters): (image: Image) => ImageSummary | undefined {
  const { images } = world;
  const created = (name: string) => filters.values(name).flatMap((other) => images.find(other).created ?? []);
  const until = filters.values('until').map((text) => pointInTime(text, world.clock.now(), system));
  const before = Math.min(...created('before'), ...until);
  const since = Math.max(...created('since'));
  const dangling = filters.flag('dangling');
  const wanted = filters.values('reference').map(pattern);
  return (image) => {
    const summary = summarise(world, image);
    const [tags, digests] = [summary.RepoTags ?? [], summary.RepoDigests ?? []];
    if (dangling === true && (tags.length > 0 || images.children(image).length > 0)) return undefined;
    if (dangling === false && tags.length === 0 && digests.length === 0) return undefined;
    if (Number.isFinite(before) && !((image.created ?? Infinity) < before)) return undefined;
    if (Number.isFinite(since) && !((image.created ?? -Infinity) > since)) return undefined;
    if (!filters.labels(image.config.Labels)) return undefined;
    if (wanted.length === 0) return summary;
    const kept = (names: string[]) => names.filter((name) => wanted.some((fits) => fits(name)));
    const chosen = { ...summary, RepoTags: kept(tags), RepoDigests: kept(digests) };
    return chosen.RepoTags.length + chosen.RepoDigests.length === 0 ? undefined : chosen;
  };
}

/** A pattern with `*`, `?` and `[…]`, which may leave the tag out; or a name in full. */
function pattern(text: string): (name: string) => boolean {
  if (/\[[^\]]*$/.test(text)) throw system('syntax error in pattern');
  const source = text
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replace(/\*/g, '[^/]*')
    .replace(/\?/g, '[^/]');
  const expression = new RegExp(`^${source}$`);
  const full = familiar(text);
  return (name) => {
    const at = name.includes('@') ? name.indexOf('@') : name.lastIndexOf(':');
    const repository = name.slice(0, at);
    return [name, repository].some((one) => expression.test(one) || one === full);
  };
}

function familiar(text: string): string | undefined {
  try {
    return Reference.parse(text).familiar;
  } catch {
    return undefined;
  }
}
