/**
 * A way to a volume's content. The Engine API has none without a container, so one is created with the volume in it, and never started: the
 * archive requests work on it all the same, with every engine. It is removed when it is no longer needed.
 */
import { address, Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import type { ContainerSummary, ImageSummary, Volume } from '$lib/api/generated';
import * as images from '$lib/api/images';
import { progress } from '$lib/api/progress';
import * as volumes from '$lib/api/volumes';
import type { Backend } from '$lib/backend/backend';
import { t } from '$lib/i18n/index.svelte';
import { HELPER, isHelper, OWNER } from '$lib/live/helpers';
import { beKnown, WINDOW } from './window';

/** Where the volume is in the container. */
export const ROOT = '/volume';

/** The label that says which volume a keeper is for. */
const OF = 'berth.volume';

export type Access = 'read' | 'write';

export interface Keeper {
  id: string;
  close(): Promise<void>;
}

/** How to close those that are open, for the end of the window. */
const open = new Set<() => Promise<void>>();

// The browser may not send it any more; `sweep` finds what stays.
addEventListener('pagehide', () => open.forEach((close) => void close()));

/** The images that this window made for keepers. */
const scratch = new Set<string>();

/** How often it is tried when the image goes meanwhile. */
const TRIES = 3;

/** Makes a keeper for `volume`; what it needs for that is gone again when the last one that needs it is closed. */
export async function keep(backend: Backend, volume: string, access: Access, signal?: AbortSignal): Promise<Keeper> {
  beKnown();
  for (let tries = 1; ; tries++) {
    // A container with a volume that is not there would make one of that name.
    if ((await volumeOf(backend, volume, signal)) === undefined) throw new Error(t().volumes.detail.gone);
    try {
      return await make(backend, volume, access, signal);
    } catch (error) {
      const imageGone = error instanceof Refused && error.status === 404;
      if (!imageGone || tries === TRIES || signal?.aborted) throw error;
    }
  }
}

async function make(backend: Backend, volume: string, access: Access, signal?: AbortSignal): Promise<Keeper> {
  const image = await ground(backend, signal);
  const away = async () => {
    // Not by force: refused as long as another keeper stands on it, which removes it then.
    if (scratch.has(image)) await quietly(images.remove(backend, image));
  };
  const close = async (id: string) => {
    // With the nameless volumes that the image asks for; the one that was named stays.
    await quietly(containers.remove(backend, id, { force: true, volumes: true }));
    await away();
  };
  const making = containers.create(backend, {
    Image: image,
    // Never run; an image without a command of its own would be refused without one.
    Cmd: ['berth-keeper'],
    Labels: { [HELPER]: access, [OF]: volume, [OWNER]: WINDOW },
    HostConfig: {
      NetworkMode: 'none',
      // Nothing of the image may get into an empty volume.
      Mounts: [
        { Type: 'volume', Source: volume, Target: ROOT, ReadOnly: access === 'read', VolumeOptions: { NoCopy: true } },
      ],
    },
  });
  try {
    const { Id: id } = await orCalledOff(making, signal);
    const end = () => {
      open.delete(end);
      return close(id);
    };
    open.add(end);
    return { id, close: end };
  } catch (error) {
    const end = making.then(({ Id: id }) => close(id), away);
    // Called off, nobody waits for an engine that takes its time; nor would anybody else close what it makes in the end.
    if (!signal?.aborted) await end;
    throw error;
  }
}

/** The volume, if there is one. */
export async function volumeOf(backend: Backend, name: string, signal?: AbortSignal): Promise<Volume | undefined> {
  try {
    return await volumes.inspect(backend, name, { signal });
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return undefined;
    throw error;
  }
}

/** What comes of `work`; or, as soon as it is called off, why. The work itself goes on. */
export function orCalledOff<T>(work: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const off = () => reject(asError(signal.reason));
    signal.addEventListener('abort', off, { once: true });
    const done = () => signal.removeEventListener('abort', off);
    work.then(resolve, reject).finally(done);
    if (signal.aborted) off();
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException('it was called off', 'AbortError');
}

/** Does `job` with a keeper, and removes it whatever comes of it. */
export async function withKeeper<T>(
  backend: Backend,
  volume: string,
  access: Access,
  signal: AbortSignal,
  job: (id: string) => Promise<T>,
): Promise<T> {
  const keeper = await keep(backend, volume, access, signal);
  try {
    return await job(keeper.id);
  } finally {
    await keeper.close();
  }
}

/** The id of what a keeper is made from: the smallest image there is, or an empty one made for it. */
async function ground(backend: Backend, signal?: AbortSignal): Promise<string> {
  const [smallest] = (await images.list(backend, { signal })).toSorted(bySize);
  if (smallest !== undefined) {
    // That of another window goes with the last keeper, too, whoever that belongs to.
    if (smallest.Labels?.[HELPER] !== undefined) scratch.add(smallest.Id);
    return smallest.Id;
  }
  const changes = [`LABEL ${HELPER}=scratch`, `LABEL ${OWNER}=${WINDOW}`];
  const path = address('/images/create', { fromSrc: '-', changes });
  // An archive without members is two empty blocks.
  const empty = new Uint8Array(1024);
  const headers = { 'content-type': 'application/x-tar' };
  let id: string | undefined;
  for await (const { status } of progress(backend, { method: 'POST', path, headers, body: empty, signal })) {
    if (status?.startsWith('sha256:')) id = status;
  }
  if (id === undefined) throw new Error('the engine did not say which image it made');
  scratch.add(id);
  return id;
}

function bySize(a: ImageSummary, b: ImageSummary): number {
  return a.Size - b.Size;
}

/** Keepers of a volume that a window left behind: they would keep it from being removed. */
export function leftBehind(containers: readonly ContainerSummary[], volume: string): string[] {
  return containers
    .filter((one) => isHelper(one) && one.Labels?.[OF] === volume && one.State === 'created')
    .map((one) => one.Id);
}

export async function clear(backend: Backend, of: readonly ContainerSummary[], volume: string): Promise<void> {
  for (const id of leftBehind(of, volume))
    await quietly(containers.remove(backend, id, { force: true, volumes: true }));
}

/** Cleaning up must not hide what came of the work; what is gone already is as wanted, and what others need is theirs to remove. */
export async function quietly(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Refused && [404, 409].includes(error.status))) console.warn(error);
  }
}
