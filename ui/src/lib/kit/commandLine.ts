/**
 * A command line as a list of words and back. Quotes and backslashes mean what they mean to a shell (POSIX shell, 2.2); nothing else does: no
 * shell is run, so nothing is expanded.
 */
export type CommandLine = {
  words: string[];
  /** No quote is open, and something stands behind the last backslash. */
  whole: boolean;
};

export function cut(line: string): CommandLine {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  let whole = true;
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at]!;
    if (sign === '\\' && quote !== "'") {
      const next = line[at + 1];
      whole = next !== undefined;
      // Within double quotes a backslash is itself before most signs, as it is before nothing.
      const stays = next === undefined || (quote === '"' && !'"\\$`'.includes(next));
      word = (word ?? '') + (stays ? sign : '') + (next ?? '');
      at += 1;
    } else if (quote !== '') {
      if (sign === quote) quote = '';
      else word += sign;
    } else if (sign === '"' || sign === "'") {
      quote = sign;
      word ??= '';
    } else if (/\s/.test(sign)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + sign;
    }
  }
  if (word !== undefined) words.push(word);
  return { words, whole: whole && quote === '' };
}

/** A line that `cut` cuts into these again. */
export function line(of: readonly string[]): string {
  return of.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
