import { Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import type { ContainerCreateRequest } from '$lib/api/generated';
import type { Backend } from '$lib/backend/backend';

export type Step = 'create' | 'pull' | 'start';

export interface Launch {
  request: ContainerCreateRequest;
  /** Empty: the engine invents one. */
  name: string;
  signal: AbortSignal;
  step: (step: Step) => void;
  /** Fetches the image; rejects if it cannot be had. */
  pull: () => Promise<void>;
}

/**
 * Creates and starts a container, as `docker run` does: an image that is not there is pulled and the container created then. A container
 * that does not start is removed again, so that the same can be tried with the same name.
 */
export async function launch(backend: Backend, { request, name, signal, step, pull }: Launch) {
  const create = () => containers.create(backend, request, { name: name === '' ? undefined : name });
  step('create');
  let created;
  try {
    created = await create();
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404 || !/no such image/i.test(error.message)) throw error;
    step('pull');
    await pull();
    signal.throwIfAborted();
    step('create');
    created = await create();
  }
  try {
    signal.throwIfAborted();
    step('start');
    await containers.start(backend, created.Id);
  } catch (error) {
    await undo(backend, created.Id);
    throw error;
  }
  return created;
}

async function undo(backend: Backend, id: string): Promise<void> {
  // That it did not start is what is told; often it is gone already, because it was to be removed at its end.
  await containers.remove(backend, id, { force: true, volumes: true }).catch(() => undefined);
}
