import { describe, expect, it } from 'vitest';
import { quoted, words } from './words';

describe('words', () => {
  it.each([
    ['', []],
    ['  ls   -l ', ['ls', '-l']],
    [`sh -c 'echo "$HOME" \\ x'`, ['sh', '-c', 'echo "$HOME" \\ x']],
    [`echo "a \\"b\\" \\n" c\\ d`, ['echo', 'a "b" \\n', 'c d']],
    [`a''b "" ''`, ['ab', '', '']],
    ['end\\', ['end\\']],
    [`'open`, ['open']],
  ])('%s', (line, expected) => expect(words(line)).toEqual(expected));

  it('reads back what it quotes', () => {
    const argv = ['plain', '', 'two words', `it's`, '"q"', '\\', '$(x)', '中文'];
    expect(words(quoted(argv))).toEqual(argv);
  });
});
