/** What a reset takes and what it leaves, counted before anybody agrees to it. */
import type { ContainerSummary, ImageSummary, NetworkInspect, Volume } from '$lib/api/generated';
import { ANONYMOUS } from '$features/volumes/rows';
import { isAlive } from '$lib/live/alive';
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
    running: shown.filter((one) => isAlive(one.State)).length,
    images: of.images.length,
    networks: of.networks.filter((one) => !OWN.has(one.Name)).length,
    anonymous,
    named: of.volumes.length - anonymous,
  };
}
