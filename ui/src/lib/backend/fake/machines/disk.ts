/** What is on a machine's disk, as it was at a moment: for snapshots, clones and files that leave the computer. */
import { Container, type Parts, type State } from '../containers/container';
import type { Message } from '../containers/log';
import { copy } from '../files/tree';
import type { Image } from '../images/images';
import type { Network } from '../networks/networks';
import type { Volume } from '../volumes/volumes';
import type { World } from '../world';

export interface Kept {
  containers: { parts: Parts; state: State; restarts: number; log: Message[] }[];
  images: Map<string, Image>;
  references: Map<string, string>;
  volumes: Volume[];
  networks: Network[];
  builds: World['builds']['all'];
}

/** Of a machine that does not run: nothing in it goes on. What a container changed in its own files is not kept, only its volumes are. */
export function keep(world: World): Kept {
  return {
    containers: world.containers.all().map((container) => ({
      parts: partsOf(container),
      state: atRest(container),
      restarts: container.restarts,
      log: [...container.log.messages],
    })),
    images: new Map([...world.images.all].map(([id, image]) => [id, { ...image }])),
    references: new Map(world.images.references),
    volumes: [...world.volumes.all.values()].map(copyOf),
    networks: [...world.networks.all.values()].map((network) => ({ ...network, endpoints: new Map() })),
    builds: world.builds.all.map((kept) => ({ ...kept, inUse: false })),
  };
}

/** Puts it in place of all that is there. */
export function put(kept: Kept, world: World): void {
  for (const { id } of world.containers.all()) world.containers.delete(id);
  world.images.all.clear();
  world.images.references.clear();
  world.volumes.all.clear();
  world.networks.all.clear();
  for (const [id, image] of kept.images) world.images.all.set(id, { ...image });
  for (const [name, id] of kept.references) world.images.references.set(name, id);
  for (const volume of kept.volumes) world.volumes.all.set(volume.name, copyOf(volume));
  for (const network of kept.networks) world.networks.all.set(network.id, { ...network, endpoints: new Map() });
  world.builds.all = kept.builds.map((one) => ({ ...one }));
  for (const { parts, state, restarts, log } of kept.containers) {
    const container = new Container(world, partsOf(parts));
    container.state = state;
    container.restarts = restarts;
    for (const message of log) container.log.add(message);
    world.containers.add(container);
  }
  world.bus.forget();
}

/** What ran when the disk was copied is found ended. */
function atRest(container: Container): State {
  if (!container.countsAsRunning) return container.state;
  return { is: 'exited', exit: { ...container.exit, code: 137 } };
}

function partsOf(of: Parts): Parts {
  const { id, name, created, image, config, host, endpoints, mounts, behaviour, base } = of;
  return { id, name, created, image, config, host, endpoints: structuredClone(endpoints), mounts, behaviour, base };
}

function copyOf(volume: Volume): Volume {
  return { ...volume, files: copy(volume.files) };
}
