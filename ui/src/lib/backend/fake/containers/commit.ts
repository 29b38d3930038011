import type { ContainerCreateRequest } from '$lib/api/generated';
import type { Call } from '../core/call';
import { invalid } from '../core/failure';
import { copy, size } from '../files/tree';
import { type Image, NO_CONFIG, blank } from '../images/images';
import { named } from '../images/named';
import type { World } from '../world';
import { sizesOf } from './list';
import { pause, unpause } from './lifecycle';

/** An image from what a container changed. */
export async function commit(world: World, call: Call): Promise<Image> {
  const wish = await call.json<ContainerCreateRequest>();
  const reference = named(call);
  const name = call.query.get('container') ?? '';
  if (name === '') throw invalid('invalid name or ID supplied: ""');
  const container = world.containers.find(name);
  const hold = call.flag('pause', true) && container.state.is === 'running';
  if (hold) pause(container);
  const base = world.images.all.get(container.image);
  const {
    Env: env,
    Cmd: cmd,
    Labels: labels,
    WorkingDir: folder,
    User: user,
    Entrypoint: entrypoint,
  } = { ...container.config, ...wish };
  const created = world.now();
  const files = copy(container.files.root);
  const image: Image = {
    ...blank(world),
    created,
    author: call.query.get('author') ?? '',
    comment: call.query.get('comment') ?? '',
    config: {
      ...NO_CONFIG,
      ...(container.config.ExposedPorts ? { ExposedPorts: container.config.ExposedPorts } : {}),
      Env: env ?? null,
      Cmd: cmd ?? null,
      Entrypoint: entrypoint ?? null,
      Labels: labels ?? null,
      WorkingDir: folder ?? '',
      User: user ?? '',
      Volumes: container.config.Volumes,
    },
    steps: [
      ...(base?.steps ?? []),
      {
        created,
        createdBy: (container.config.Cmd ?? []).join(' '),
        comment: call.query.get('comment') ?? '',
        layer: {
          diffId: world.random.digest(),
          blob: world.random.digest(),
          packed: Math.ceil(size(files) / 3),
          size: sizesOf(world, container)[0],
        },
      },
    ],
    ...(base ? { parent: base.id, programs: base.programs } : {}),
    files,
  };
  world.images.add(image);
  world.images.emit('create', image.id, image.id, image);
  if (reference) {
    world.images.name(image, reference);
    world.images.emit('tag', image.id, reference.familiar, image);
  }
  const comment = call.query.get('comment') ?? '';
  container.emit('commit', { comment, imageID: image.id, imageRef: reference?.familiar ?? '' });
  if (hold) unpause(container);
  return image;
}
