/**
 * A command line as a list of words and back. Quotes and backslashes mean what they mean to a shell; nothing else does: no shell is
 * run, so nothing is expanded.
 */
export function words(line: string): string[] | undefined {
  const found: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at]!;
    if (sign === '\\' && quote !== "'") {
      const next = line[at + 1];
      if (next === undefined) return undefined;
      // Within double quotes a backslash is itself before most signs.
      word = (word ?? '') + (quote === '"' && !'"\\$`'.includes(next) ? sign + next : next);
      at += 1;
    } else if (quote !== '') {
      if (sign === quote) quote = '';
      else word += sign;
    } else if (sign === '"' || sign === "'") {
      quote = sign;
      word ??= '';
    } else if (/\s/.test(sign)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + sign;
    }
  }
  if (quote !== '') return undefined;
  if (word !== undefined) found.push(word);
  return found;
}

/** A line that `words` cuts into these again. */
export function line(of: readonly string[]): string {
  return of.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
