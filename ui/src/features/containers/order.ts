import type { Row, Verb } from './rows';

/**
 * The rows in the stages in which `verb` is carried out: what others of their project depend on is started first and ended last, as
 * compose does it. Those of one stage are independent.
 */
export function stages(rows: readonly Row[], verb: Verb): Row[][] {
  const depths = new Map<string, number>();
  const byService = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.project === undefined || row.service === undefined) continue;
    const key = keyOf(row.project, row.service);
    byService.set(key, [...(byService.get(key) ?? []), row]);
  }
  // A ring of dependencies, which only a label written by hand can have, is cut where it closes.
  const depth = (row: Row, above: Set<string>): number => {
    if (row.project === undefined || row.service === undefined) return 0;
    const key = keyOf(row.project, row.service);
    const known = depths.get(key);
    if (known !== undefined) return known;
    if (above.has(key)) return 0;
    const within = new Set(above).add(key);
    const below = row.dependsOn.flatMap((service) => byService.get(keyOf(row.project!, service)) ?? []);
    const found = Math.max(0, ...below.map((other) => 1 + depth(other, within)));
    depths.set(key, found);
    return found;
  };
  const found: Row[][] = [];
  for (const row of rows) (found[depth(row, new Set())] ??= []).push(row);
  const inOrder = found.filter((stage) => stage !== undefined);
  return endsThings(verb) ? inOrder.reverse() : inOrder;
}

function keyOf(project: string, service: string): string {
  return JSON.stringify([project, service]);
}

function endsThings(verb: Verb): boolean {
  return verb === 'stop' || verb === 'kill' || verb === 'pause' || verb === 'remove';
}
