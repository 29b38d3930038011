import { describe, expect, it } from 'vitest';
import { line, words } from './words';

describe('command lines', () => {
  it('are cut as a shell cuts them', () => {
    expect(words('  nginx -g "daemon off;"\n')).toEqual(['nginx', '-g', 'daemon off;']);
    expect(words(`sh -c 'echo "$HOME" \\n' a\\ b`)).toEqual(['sh', '-c', 'echo "$HOME" \\n', 'a b']);
    expect(words('"a\\"b\\n" "" x""y')).toEqual(['a"b\\n', '', 'xy']);
    expect(words('')).toEqual([]);
  });

  it('are refused when they do not end', () => {
    expect([words('echo "a'), words("it's"), words('a\\')]).toEqual([undefined, undefined, undefined]);
  });

  it('come back the same', () => {
    for (const list of [['a', ''], ["it's", '"', '\\', 'a b', '$x', '\n'], ['--x=1', '/bin/sh'], ['容器']]) {
      expect(words(line(list))).toEqual(list);
    }
  });
});
