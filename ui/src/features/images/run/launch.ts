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
  /** Told of the container before it is started. */
  made?: (id: string) => void;
  /** Fetches the image; rejects if it cannot be had. */
  pull: () => Promise<void>;
}

/** It did not start or was called off, and the container could not be removed again. */
export class NotUndone extends Error {
  override readonly name = 'NotUndone';
  constructor(
    readonly id: string,
    /** Why it was to be removed. */
    override readonly cause: unknown,
    /** Why it could not be removed. */
    readonly why: unknown,
  ) {
    super(`could not remove ${id}`);
  }
}

/**
 * Creates and starts a container, as `docker run` does: an image that is not there is pulled and the container created then. A container
 * that does not start, or is called off before it is known to run, is removed again, so that the same can be tried with the same name.
 */
export async function launch(backend: Backend, { request, name, signal, step, made, pull }: Launch) {
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
  made?.(created.Id);
  try {
    signal.throwIfAborted();
    step('start');
    await containers.start(backend, created.Id);
    // The engine may have started it all the same: whoever called it off is not to find it running.
    signal.throwIfAborted();
  } catch (error) {
    await undo(backend, created.Id, error);
    throw error;
  }
  return created;
}

async function undo(backend: Backend, id: string, cause: unknown): Promise<void> {
  try {
    await containers.remove(backend, id, { force: true, volumes: true });
  } catch (why) {
    // Often it is gone already or about to be, because it was to be removed at its end.
    const gone =
      why instanceof Refused && (why.status === 404 || (why.status === 409 && /already in progress/.test(why.message)));
    if (!gone) throw new NotUndone(id, cause, why);
  }
}
