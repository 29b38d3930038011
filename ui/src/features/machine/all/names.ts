/** What `app/host/src/machines` takes for a name of a machine or a snapshot. */
const LONGEST = 24;

export type NameFault = 'empty' | 'characters' | 'long' | 'taken';

export function nameFault(name: string, taken: readonly string[]): NameFault | undefined {
  if (name === '') return 'empty';
  if (!/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name)) return 'characters';
  if (name.length > LONGEST) return 'long';
  return taken.includes(name) ? 'taken' : undefined;
}

/** A whole number; undefined for nothing, NaN for something else. */
export function whole(text: string): number | undefined {
  const typed = text.trim();
  if (typed === '') return undefined;
  return /^[1-9]\d{0,8}$/.test(typed) ? Number(typed) : NaN;
}

/** A free name for a copy. */
export function copyName(of: string, taken: readonly string[]): string {
  const numbered = (at: number) => `${of.slice(0, LONGEST - 8)}-copy${at > 1 ? `-${at}` : ''}`;
  let at = 1;
  while (taken.includes(numbered(at))) at += 1;
  return numbered(at);
}
