import { describe, expect, it } from 'vitest';
import { cut, line } from './commandLine';

describe('command lines', () => {
  it.each([
    ['', []],
    ['  nginx -g "daemon off;"\n', ['nginx', '-g', 'daemon off;']],
    [`sh -c 'echo "$HOME" \\ x'`, ['sh', '-c', 'echo "$HOME" \\ x']],
    [`echo "a \\"b\\" \\n" c\\ d`, ['echo', 'a "b" \\n', 'c d']],
    [`a''b "" '' x""y`, ['ab', '', '', 'xy']],
  ])('are cut as a shell cuts them: %s', (text, words) => expect(cut(text)).toEqual({ words, whole: true }));

  it.each([
    ['end\\', ['end\\']],
    [`'open`, ['open']],
    ['echo "a', ['echo', 'a']],
    ['"a\\', ['a\\']],
  ])('say that they do not end: %s', (text, words) => expect(cut(text)).toEqual({ words, whole: false }));

  it.each([[['sh', '-c', `echo "it's"`]], [['', 'a b', '\\', '$x', '\n']], [[]]])('come back: %j', (of) =>
    expect(cut(line(of))).toEqual({ words: of, whole: true }),
  );
});
