import type { ContainerSummary } from '$lib/api/generated';
import * as volumes from '$lib/api/volumes';
import type { Backend } from '$lib/backend/backend';
import { each, type Kept } from '$lib/kit/each';
import { clear, volumeOf } from './keeper';
import { title, type VolumeRow } from './rows';

/**
 * Removes the volumes that were shown. The engine's own prune would take what came free meanwhile too, and nobody was asked about that;
 * one of the same name that was made meanwhile is another.
 */
export async function prune(
  backend: Backend,
  shown: readonly VolumeRow[],
  containers: readonly ContainerSummary[],
): Promise<{ gone: VolumeRow[]; kept: Kept[] }> {
  const others = new Set<string>();
  const { done, kept } = await each(shown, title, async ({ name, created }) => {
    const there = await volumeOf(backend, name);
    if (there === undefined || there.CreatedAt !== created) return void others.add(name);
    // What only stood there to show a volume would keep it.
    await clear(backend, containers, name);
    await volumes.remove(backend, name);
  });
  return { gone: done.filter(({ name }) => !others.has(name)), kept };
}
