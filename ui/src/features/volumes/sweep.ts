import * as containers from '$lib/api/containers';
import * as images from '$lib/api/images';
import type { Backend } from '$lib/backend/backend';
import { COMMAND, HELPER, OWNER } from '$lib/live/helpers';
import { quietly } from './keeper';
import { known } from './window';

/** What is younger may belong to a window of another browser, of which nothing is known here. */
const OLD = 10 * 60 * 1000;
/** What a command made goes with it; only one that was killed leaves something, and a large volume takes its time. */
const OLD_COMMAND = 24 * 60 * 60 * 1000;

/**
 * Removes keepers, and images made for them, whose window is gone: nobody sees them, but they keep volumes and images from being removed.
 * `now` is the engine's time, as what it says of their age.
 */
export async function sweep(backend: Backend, now: number): Promise<void> {
  const windows = await known();
  const left = ({ Created, Labels }: { Created: number; Labels?: Record<string, string> | null }) =>
    now - Created * 1000 > (Labels?.[COMMAND] === undefined ? OLD : OLD_COMMAND) && !windows.has(Labels?.[OWNER] ?? '');
  const filters = { label: [HELPER] };
  const keepers = await containers.list(backend, { all: true, filters: { ...filters, status: ['created'] } });
  for (const { Id } of keepers.filter(left))
    await quietly(containers.remove(backend, Id, { force: true, volumes: true }));
  const scratch = await images.list(backend, { filters });
  // Not by force: one that a keeper stands on stays with it.
  for (const { Id } of scratch.filter(left)) await quietly(images.remove(backend, Id));
}
