import type { ImageHistoryItem, ImageInspect } from '$lib/api/generated';
import { rfc3339, seconds } from '../core/time';
import type { World } from '../world';
import { type Image, layers, sizeOf } from './images';

export function inspect(world: World, image: Image): ImageInspect {
  const stack = layers(image);
  const folder = (digest: string) => `${world.machine.root}/layers/${digest.slice(7)}/diff`;
  const top = stack.at(-1);
  const below = stack
    .slice(0, -1)
    .toReversed()
    .map((layer) => folder(layer.diffId));
  return {
    Id: image.id,
    RepoTags: world.images.tags(image),
    RepoDigests: world.images.digests(image),
    Parent: image.parent ?? '',
    Comment: image.comment || (image.steps.at(-1)?.comment ?? ''),
    ...(image.created === undefined ? {} : { Created: rfc3339(image.created) }),
    DockerVersion: '',
    Author: image.author,
    Config: image.config,
    Architecture: image.architecture,
    ...(image.variant === undefined ? {} : { Variant: image.variant }),
    Os: image.os,
    Size: sizeOf(image),
    GraphDriver: {
      Data:
        top === undefined
          ? null
          : {
              ...(below.length > 0 ? { LowerDir: below.join(':') } : {}),
              MergedDir: folder(top.diffId).replace(/diff$/, 'merged'),
              UpperDir: folder(top.diffId),
              WorkDir: folder(top.diffId).replace(/diff$/, 'work'),
            },
      Name: 'overlay2',
    },
    RootFS: { Type: 'layers', ...(stack.length > 0 ? { Layers: stack.map((layer) => layer.diffId) } : {}) },
    Metadata: { LastTagTime: rfc3339(image.lastTagged) },
  };
}

/** The steps, newest first; the first is the image itself, and those before that ended in an image that is here. */
export function history(world: World, image: Image): ImageHistoryItem[] {
  let here: Image | undefined = image;
  return image.steps.toReversed().map((step) => {
    const of: Image | undefined = here;
    here = of?.parent === undefined ? undefined : world.images.all.get(of.parent);
    const tags = of === undefined ? [] : world.images.tags(of);
    return {
      Comment: step.comment,
      Created: seconds(step.created),
      CreatedBy: step.createdBy,
      Id: of?.id ?? '<missing>',
      Size: step.layer?.size ?? 0,
      Tags: tags.length > 0 ? tags : null,
    };
  });
}
