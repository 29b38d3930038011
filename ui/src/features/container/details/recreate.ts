import { nameIn } from '$lib/api/names';
import * as containers from '$lib/api/containers';
import type { ContainerCreateRequest, ContainerInspect } from '$lib/api/generated';
import type { Backend } from '$lib/backend/backend';

/**
 * Puts a new container in the place of an old one.
 *
 *   create new -> stop old -> rename old -> rename new -> start new -> remove old
 *
 * What fails before the new one runs is undone: the new container goes, and the old one stands there under its name, running or paused
 * if it was. Once it was stopped its processes begin anew, and volumes without a name that were made for the new container stay.
 */
export type Step = 'create' | 'stop' | 'renameOld' | 'renameNew' | 'start' | 'remove';

export type Outcome = {
  id: string;
  /** What the engine has to say about the new container. */
  warnings: string[];
  /** The old one could not be removed: under which name it is kept, and why. */
  left?: { name: string; error: unknown };
};

/** It failed; `undone` lists what could not be put back. */
export class NotReplaced extends Error {
  override readonly name = 'NotReplaced';
  constructor(
    readonly step: Step,
    override readonly cause: unknown,
    readonly undone: { what: 'removeNew' | 'renameOld' | 'startOld'; name: string; error: unknown }[],
  ) {
    super(`could not ${step}`);
  }
}

export async function recreate(
  backend: Backend,
  old: ContainerInspect,
  request: ContainerCreateRequest,
  onStep: (step: Step) => void,
): Promise<Outcome> {
  const name = nameIn(old);
  // Of its own ID: whoever finds one of these knows which container it belongs to.
  const mark = old.Id.slice(0, 8);
  const names = { fresh: `${name}-new-${mark}`, old: `${name}-old-${mark}` };
  const ran = old.State.Running || old.State.Restarting;
  const undo: { what: NotReplaced['undone'][number]['what']; name: string; run: () => Promise<unknown> }[] = [];
  let step: Step = 'create';
  const begin = (next: Step) => {
    step = next;
    onStep(next);
  };
  let id: string;
  let warnings: string[];
  try {
    begin('create');
    const created = await containers.create(backend, request, { name: names.fresh });
    id = created.Id;
    warnings = created.Warnings ?? [];
    undo.push({ what: 'removeNew', name: names.fresh, run: () => containers.remove(backend, id, { force: true }) });
    if (ran) {
      begin('stop');
      undo.push({ what: 'startOld', name, run: () => startAgain(backend, old) });
      // The engine freezes nothing for a stop: a paused one is let go on first.
      if (old.State.Paused) await containers.unpause(backend, old.Id);
      await containers.stop(backend, old.Id);
    }
    begin('renameOld');
    await containers.rename(backend, old.Id, names.old);
    undo.push({ what: 'renameOld', name: names.old, run: () => containers.rename(backend, old.Id, name) });
    begin('renameNew');
    await containers.rename(backend, id, name);
    if (ran) {
      begin('start');
      await containers.start(backend, id);
    }
  } catch (cause) {
    throw new NotReplaced(step, cause, await undone(undo));
  }
  begin('remove');
  try {
    await containers.remove(backend, old.Id);
    return { id, warnings };
  } catch (error) {
    return { id, warnings, left: { name: names.old, error } };
  }
}

async function startAgain(backend: Backend, old: ContainerInspect): Promise<void> {
  await containers.start(backend, old.Id);
  if (old.State.Paused) await containers.pause(backend, old.Id);
}

/** Undoes all that it can: one failure must not keep the old container from its name or from running. */
async function undone(
  undo: { what: NotReplaced['undone'][number]['what']; name: string; run: () => Promise<unknown> }[],
) {
  // The new one first: it may have taken the name and the ports. Then the name, and the start last.
  const order = ['removeNew', 'renameOld', 'startOld'] as const;
  const failed: NotReplaced['undone'] = [];
  for (const { what, name, run } of undo.toSorted((a, b) => order.indexOf(a.what) - order.indexOf(b.what))) {
    try {
      await run();
    } catch (error) {
      failed.push({ what, name, error });
    }
  }
  return failed;
}
