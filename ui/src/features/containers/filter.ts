import { isAlive, STATES, type Row, type State } from './rows';

/** Which states a list shows: any, those with a process, or one. */
export type Shown = 'all' | 'alive' | State;

export function isShown(word: string | undefined): word is Shown {
  return word === 'all' || word === 'alive' || STATES.some((state) => state === word);
}

/** The rows that the person asks for. Every word of `search` has to be somewhere in what a row says. */
export function matching(rows: readonly Row[], search: string, shown: Shown): Row[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => inState(row, shown) && words.every((word) => says(row, word)));
}

function inState(row: Row, shown: Shown): boolean {
  if (shown === 'all') return true;
  return shown === 'alive' ? isAlive(row.state) : row.state === shown;
}

function says(row: Row, word: string): boolean {
  return (
    row.id.startsWith(word) ||
    [row.name, row.image, row.project, row.service, row.state, row.health].some((text) =>
      text?.toLowerCase().includes(word),
    ) ||
    row.ports.some((port) => port.text.includes(word))
  );
}

/** How many containers are in each state. */
export function tally(rows: readonly Row[]): Record<Shown, number> {
  const count = Object.fromEntries([...STATES, 'unknown', 'all', 'alive'].map((state) => [state, 0])) as Record<
    Shown,
    number
  >;
  for (const row of rows) {
    count[row.state]++;
    count.all++;
    if (isAlive(row.state)) count.alive++;
  }
  return count;
}

const STATE_ORDER: State[] = ['running', 'restarting', 'paused', 'created', 'removing', 'exited', 'dead', 'unknown'];

/** Orders for the columns; equal ones by name, so that a list never jumps. */
export const BY = {
  name: byName,
  service: (one: Row, other: Row) => inWords(one.service ?? '', other.service ?? '') || byName(one, other),
  image: (one: Row, other: Row) => inWords(one.image, other.image) || byName(one, other),
  state: (one: Row, other: Row) =>
    STATE_ORDER.indexOf(one.state) - STATE_ORDER.indexOf(other.state) || byName(one, other),
  ports: (one: Row, other: Row) => firstPort(one) - firstPort(other) || byName(one, other),
  created: (one: Row, other: Row) => one.created - other.created || byName(one, other),
};

function byName(one: Row, other: Row): number {
  return inWords(one.name, other.name) || inWords(one.id, other.id);
}

const words = new Intl.Collator('en', { numeric: true });

function inWords(one: string, other: string): number {
  return words.compare(one, other);
}

function firstPort(row: Row): number {
  const published = row.ports.find((port) => port.bound !== undefined);
  return published === undefined ? Number.MAX_SAFE_INTEGER : Number(/(\d+):\d+/.exec(published.text)?.[1]);
}
