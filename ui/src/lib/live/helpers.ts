/** What marks the containers that are only there to read a volume, and images made for them (`features/volumes/keeper.ts`). */
export const HELPER = 'berth.helper';

/** `berth volume` made it (`app/cli/src/containers/volumes/keeper.rs`). */
export const COMMAND = 'berth.command';

/** Which window made it. */
export const OWNER = 'berth.window';

/** What pages made for themselves: no list of theirs shows it. */
export function isHelper(one: { Labels?: Record<string, string> | null }): boolean {
  return one.Labels?.[HELPER] !== undefined;
}
