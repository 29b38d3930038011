/** What a reset takes and what it leaves, counted before anybody agrees to it. */
import type { Phase } from '$lib/api/generated/daemon';
import type { ContainerSummary, ImageSummary, NetworkInspect, Volume } from '$lib/api/generated';
import { ANONYMOUS } from '$features/volumes/rows';
import { isHelper } from '$lib/live/helpers';

export type Counts = {
  containers: number;
  running: number;
  images: number;
  networks: number;
  anonymous: number;
  named: number;
};

/** The engine's own networks come back by themselves. */
const OWN = new Set(['bridge', 'host', 'none']);

export function countsOf(of: {
  containers: readonly ContainerSummary[];
  images: readonly ImageSummary[];
  networks: readonly NetworkInspect[];
  volumes: readonly Volume[];
}): Counts {
  const shown = of.containers.filter((one) => !isHelper(one));
  const anonymous = of.volumes.filter((volume) => volume.Labels?.[ANONYMOUS] !== undefined).length;
  return {
    containers: shown.length,
    running: shown.filter((one) => one.State === 'running' || one.State === 'paused').length,
    images: of.images.length,
    networks: of.networks.filter((one) => !OWN.has(one.Name)).length,
    anonymous,
    named: of.volumes.length - anonymous,
  };
}

/** How a reset came out. */
export type End = 'done' | 'called off' | 'failed';

/** Told by the phases on its way: a reset that keeps volumes can be stopped like any start, and then ends as if it were one. */
export function endOf(kept: boolean, phases: Phase[]): End {
  const last = phases.at(-1);
  if (last === 'failed') return 'failed';
  // Nothing calls the removal of the whole disk off, and it may be too quick to be seen.
  if (!kept) return last === 'stopped' || last === 'running' ? 'done' : 'called off';
  // It starts the machine again when it is through.
  return last === 'running' && phases.includes('resetting') ? 'done' : 'called off';
}
