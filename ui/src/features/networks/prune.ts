import { running, type NetworkRow } from './rows';

export type Pruning = {
  /** Networks that will go. */
  goes: NetworkRow[];
  /** Names of stopped containers that are on one of them, and lose it. */
  loses: string[];
};

/** What removing unused networks removes, by the engine's own rule. */
export function pruning(rows: readonly NetworkRow[]): Pruning {
  const goes = rows.filter((row) => !row.builtin && !row.configOnly && running(row).length === 0);
  const loses = new Set(goes.flatMap((row) => row.members.map(({ name }) => name)));
  return { goes, loses: [...loses].sort() };
}
