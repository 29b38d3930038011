/** A name and a value as they are typed: an option of a driver, or a label. */
export type Pair = { name: string; value: string };

/** Rows that are still empty say nothing. */
export function blank(pair: Pair): boolean {
  return pair.name.trim() === '' && pair.value === '';
}

/** A name that is given more than once. */
export function twice(pairs: readonly Pair[]): string | undefined {
  const names = pairs.map(({ name }) => name.trim()).filter(Boolean);
  return names.find((name, at) => names.indexOf(name) !== at);
}

export function asRecord(pairs: readonly Pair[]): Record<string, string> {
  const named = pairs.filter((pair) => pair.name.trim() !== '');
  return Object.fromEntries(named.map(({ name, value }) => [name.trim(), value]));
}
