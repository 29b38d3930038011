import type { ContainerSummary } from '$lib/api/generated';

/** What marks the containers that are only there to read a volume (`features/volumes/keeper.ts`). */
export const HELPER = 'berth.helper';

/** A container that pages made for themselves: no list shows it. */
export function isHelper(container: ContainerSummary): boolean {
  return container.Labels?.[HELPER] !== undefined;
}
