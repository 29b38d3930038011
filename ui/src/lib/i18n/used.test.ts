import { expect, it } from 'vitest';
import { en } from './en';

const files = import.meta.glob<string>(
  ['/src/**/*.{ts,svelte}', '!/src/lib/i18n/**', '!/src/lib/backend/**', '!/src/**/*.test.ts', '!/src/**/testing/**'],
  { query: '?raw', import: 'default', eager: true },
);

/** The names in each file, without the words of its comments. */
const words = Object.values(files).map((text) => {
  const code = text.replace(/<!--[^]*?-->|\/\*[^]*?\*\/|(?<![:'"`])\/\/.*/g, '');
  return { code, names: new Set(code.match(/[A-Za-z][\w]*/g)) };
});

/** The paths of all texts. */
function* paths(of: object, above: string[] = []): Generator<string[]> {
  for (const [name, value] of Object.entries(of)) {
    if (typeof value === 'object' && value !== null) yield* paths(value, [...above, name]);
    else yield [...above, name];
  }
}

/** The groups of which some file takes any text: `const m = $derived(t().networks.problem)` and then `m[kind]`. */
const taken = new Set(
  words.flatMap(({ code }) =>
    [...code.matchAll(/(\w+) = (?:\$derived\()?t\(\)\.([\w.]+)/g)]
      .filter(([, alias]) => code.includes(`${alias}[`))
      .map(([, , group]) => group),
  ),
);

/** Whether some file has all names on the way to the text; `verb[what]` has those of all verbs. */
function used(path: string[]): boolean {
  if (taken.has(path.slice(0, -1).join('.'))) return true;
  return words.some(({ code, names }) => {
    for (const [at, name] of path.entries()) {
      if (names.has(name)) continue;
      return at > 0 && new RegExp(`\\.${path[at - 1]}(\\)|!|\\?\\.|\\s)*\\[`).test(code);
    }
    return true;
  });
}

// Not every text that nobody uses is found: another of its name may be in the same file. None that is used is taken for unused.
it('there is no text that nobody uses', () => {
  expect([...paths(en)].filter((path) => !used(path)).map((path) => path.join('.'))).toEqual([]);
});
