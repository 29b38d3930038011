import type { Lane } from './graph';

/** What tells one network's lines from another's: a colour of the theme, and after those run out a dash too. */
export type Tint = { colour: string; dash?: string };

// Not the red of failures.
const COLOURS = ['--accent', '--info-vivid', '--ansi-magenta', '--warn-vivid', '--good-vivid'];
const DASHES = [undefined, '7 4', '2 4', '10 3 2 3'];
const COLOURLESS: Tint = { colour: 'var(--quiet-vivid)' };

/** Older networks keep theirs when a new one comes; what has no lines has no colour. */
export function tints(lanes: readonly Lane[]): Map<string, Tint> {
  const lined = lanes.filter(({ kind }) => kind !== 'none' && kind !== 'nowhere');
  const byAge = lined.sort((a, b) => (a.created < b.created || (a.created === b.created && a.id < b.id) ? -1 : 1));
  const tint = (at: number): Tint => ({
    colour: `var(${COLOURS[at % COLOURS.length]})`,
    dash: DASHES[Math.floor(at / COLOURS.length) % DASHES.length],
  });
  return new Map([
    ...lanes.map(({ id }): [string, Tint] => [id, COLOURLESS]),
    ...byAge.map(({ id }, at): [string, Tint] => [id, tint(at)]),
  ]);
}
