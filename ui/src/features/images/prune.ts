/** What `POST /images/prune` would take, by the engine's own rules (`vm-agent/images/src/remove.rs`, as dockerd). */
import type { ContainerSummary, ImageSummary } from '$lib/api/generated';
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
