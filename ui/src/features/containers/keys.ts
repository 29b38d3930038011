import type { Plain } from './actions';
import { allowed, isAlive, type Row } from './rows';

/** What a key does to `rows`; undefined if it is none of the list's. */
export function verbOf(key: string, rows: readonly Row[]): Plain | undefined {
  switch (key) {
    case 's':
      // Of several, what runs is stopped first: pressed again, all are started.
      return rows.some((row) => isAlive(row.state)) ? 'stop' : 'start';
    case 'r':
      return 'restart';
    case 'Delete':
    // What the key above Return is called on a Mac, which has no other.
    case 'Backspace':
      return 'remove';
    default:
      return undefined;
  }
}

/** The rows that a key means which was pressed on the line `at`: all that are chosen if that one is, a whole project on its head. */
export function meant(at: string, rows: readonly Row[], chosen: ReadonlySet<string>): Row[] {
  const project = /^group:(.*)$/s.exec(at)?.[1];
  if (project !== undefined) return rows.filter((row) => row.project === project);
  return chosen.has(at) ? rows.filter((row) => chosen.has(row.id)) : rows.filter((row) => row.id === at);
}

/** Whether `verb` does anything to any of `rows`. */
export function fits(verb: Plain, rows: readonly Row[]): boolean {
  return rows.some((row) => allowed(verb, row.state));
}
