import type { ContainerSummary } from '$lib/api/generated';

/** What marks the containers that are only there to read a volume (`features/volumes/keeper.ts`). */
export const HELPER = 'berth.helper';

/** Which window made it. */
export const OWNER = 'berth.window';

/** A container that pages made for themselves: no list of theirs shows it. */
export function isHelper(container: ContainerSummary): boolean {
  return container.Labels?.[HELPER] !== undefined;
}
