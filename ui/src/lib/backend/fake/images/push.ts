import { notFound } from '../core/failure';
import type { World } from '../world';
import { layers, short } from './images';
import type { Sink } from './progress';
import { pause } from './pull';
import { Reference } from './reference';

const TICK = 100;

/** Pushes one tag, or every tag of the repository when the reference has none. */
export async function push(world: World, reference: Reference, signedIn: boolean, sink: Sink): Promise<void> {
  const local = [...world.images.references.keys()]
    .map((name) => Reference.parse(name))
    .filter((known) => known.digest === undefined && known.name === reference.name);
  sink.status(`The push refers to repository [${reference.name}]`);
  const wanted = reference.tag === undefined ? local : local.filter((known) => known.tag === reference.tag);
  if (wanted.length === 0) {
    throw local.length === 0
      ? notFound(`An image does not exist locally with the tag: ${reference.familiar}`)
      : notFound(`tag does not exist: ${reference.familiar}`);
  }
  for (const tagged of wanted) await pushOne(world, tagged, signedIn, sink);
}

async function pushOne(world: World, reference: Reference, signedIn: boolean, sink: Sink): Promise<void> {
  const { image } = world.images.look(reference.familiar);
  const stack = layers(image).toReversed();
  for (const layer of stack) sink.step(short(layer.diffId), 'Preparing');
  world.registry.mayPush(reference, signedIn);
  const holders = holding(world, reference);
  for (const layer of stack) {
    const id = short(layer.diffId);
    const holder = holders.get(layer.diffId);
    if (holder !== undefined) {
      sink.step(id, holder === reference.path ? 'Layer already exists' : `Mounted from ${holder}`);
      continue;
    }
    const share = Math.max(1, Math.ceil((world.registry.speed * TICK) / 1000));
    for (let sent = Math.min(share, layer.packed); ; sent = Math.min(sent + share, layer.packed)) {
      if (!sink.open) return;
      await pause(world, TICK);
      sink.count(id, 'Pushing', sent, layer.packed);
      if (sent >= layer.packed) break;
    }
    sink.step(id, 'Pushed');
  }
  if (!sink.open) return;
  world.registry.publish(reference.familiar, () => image);
  world.images.name(image, reference.withDigest(image.manifest));
  const size = 400 + stack.length * 150;
  sink.status(`${reference.tagOrDigest}: digest: ${image.manifest} size: ${size}`);
  sink.send({ progressDetail: {}, aux: { Tag: reference.tagOrDigest, Digest: image.manifest, Size: size } });
  world.images.emit('push', reference.familiar, reference.familiarName, image);
}

/** By layer the repository of the same registry that has it, this one before others. */
function holding(world: World, reference: Reference): Map<string, string> {
  const holders = new Map<string, string>();
  for (const [name, image] of world.registry.images) {
    const { domain, path } = Reference.parse(name);
    if (domain !== reference.domain) continue;
    for (const { diffId } of layers(image()))
      if (path === reference.path || !holders.has(diffId)) holders.set(diffId, path);
  }
  return holders;
}
