import { notFound, system } from '../core/failure';
import type { World } from '../world';
import { type Layer, layers, short } from './images';
import type { Platform } from './platform';
import type { Sink } from './progress';
import type { Reference } from './reference';

/** So often a layer's bytes are told. */
const TICK = 100;
const AT_ONCE = 3;

/** Pulls one tag, or every tag of a repository when the reference has none. */
export async function pull(world: World, wanted: Reference, platform: Platform | undefined, sink: Sink): Promise<void> {
  const every = wanted.tag === undefined && wanted.digest === undefined;
  const tags = every ? world.registry.tags(wanted) : [];
  if (every && tags.length === 0) world.registry.look(wanted.orLatest());
  for (const reference of every ? tags.map((tag) => wanted.withTag(tag)) : [wanted])
    await pullOne(world, reference, platform, sink);
}

async function pullOne(world: World, reference: Reference, platform: Platform | undefined, sink: Sink): Promise<void> {
  const image = world.registry.look(reference);
  if (platform !== undefined && !platform.isOf(image)) {
    throw notFound(`no matching manifest for ${platform} in the manifest list entries`);
  }
  sink.status(`Pulling from ${reference.path}`, reference.tagOrDigest);
  const here = new Set([...world.images.all.values()].flatMap((other) => layers(other).map((layer) => layer.diffId)));
  const missing: Layer[] = [];
  for (const layer of layers(image)) {
    if (here.has(layer.diffId)) {
      // Of an image that is here nothing is told.
      if (!world.images.all.has(image.id)) sink.step(short(layer.blob), 'Already exists');
    } else {
      sink.step(short(layer.blob), 'Pulling fs layer');
      missing.push(layer);
    }
  }
  await download(world, reference, missing, sink);
  // Whoever has gone does not want it any more.
  if (!sink.open) return;
  const before = world.images.references.get(reference.familiar);
  const known = world.images.all.get(image.id);
  const digest = reference.withDigest(image.manifest);
  world.images.add(known ?? image, digest, ...(reference.digest === undefined ? [reference] : []));
  sink.status(`Digest: ${image.manifest}`);
  const news = before === image.id ? 'Image is up to date' : 'Downloaded newer image';
  sink.status(`Status: ${news} for ${reference.familiar}`);
  world.images.emit('pull', reference.familiar, reference.familiarName, known ?? image);
}

async function download(world: World, reference: Reference, missing: Layer[], sink: Sink): Promise<void> {
  const breaking = world.registry.breaking.get(reference.familiar);
  let budget = breaking && breaking.times > 0 ? breaking.after : Infinity;
  if (breaking && breaking.times > 0) breaking.times -= 1;
  for (const layer of missing.slice(AT_ONCE)) sink.step(short(layer.blob), 'Waiting');
  const left = missing.map((layer) => ({ layer, id: short(layer.blob), done: 0 }));
  const fetched: typeof left = [];
  while (left.length > 0 && sink.open) {
    const now = left.slice(0, AT_ONCE);
    const share = (world.registry.speed * TICK) / 1000 / now.length;
    await pause(world, TICK);
    for (const one of now) {
      const step = Math.min(share, one.layer.packed - one.done);
      budget -= step;
      if (budget < 0) throw system(breaking!.message);
      one.done += Math.ceil(step);
      if (one.done < one.layer.packed) sink.count(one.id, 'Downloading', one.done, one.layer.packed);
      else {
        sink.step(one.id, 'Verifying Checksum');
        sink.step(one.id, 'Download complete');
        left.splice(left.indexOf(one), 1);
        fetched.push(one);
      }
    }
  }
  // Each layer lies on the one below it: they are unpacked in their order.
  for (const one of missing.flatMap((layer) => fetched.find((done) => done.layer === layer) ?? [])) {
    if (!sink.open) return;
    sink.count(one.id, 'Extracting', Math.ceil(one.layer.packed / 2), one.layer.packed);
    await pause(world, TICK / 2);
    sink.count(one.id, 'Extracting', one.layer.packed, one.layer.packed);
    sink.step(one.id, 'Pull complete');
  }
}

export function pause(world: World, ms: number): Promise<void> {
  return new Promise((resolve) => void world.clock.after(ms, resolve));
}
