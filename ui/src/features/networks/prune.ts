import type { NetworkRow } from './rows';

/** A container that does not run has no endpoint: it keeps no network from being removed, and then cannot start. */
const HOLDS = ['running', 'paused', 'restarting'];

export type Pruning = {
  /** Networks that will go. */
  goes: NetworkRow[];
  /** Names of stopped containers that are on one of them, and lose it. */
  loses: string[];
};

/** What removing unused networks removes, by the engine's own rule. */
export function pruning(rows: readonly NetworkRow[]): Pruning {
  const goes = rows.filter((row) => !row.builtin && !row.configOnly && !inUse(row));
  const loses = new Set(goes.flatMap((row) => row.members.map(({ name }) => name)));
  return { goes, loses: [...loses].sort() };
}

/** True if the engine refuses to remove the network while things are as they are. */
export function inUse(row: Pick<NetworkRow, 'members'>): boolean {
  return row.members.some(({ state }) => HOLDS.includes(state));
}
