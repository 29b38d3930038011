import { describe, expect, it } from 'vitest';
import { marked, match } from './fuzzy';

const best = (query: string, texts: string[]) =>
  texts
    .map((text) => ({ text, found: match(query, text) }))
    .filter((one) => one.found !== undefined)
    .sort((a, b) => b.found!.score - a.found!.score)
    .map((one) => one.text);

const shown = (query: string, text: string) =>
  marked(text, match(query, text)!.ranges)
    .map((part) => (part.hit ? `[${part.text}]` : part.text))
    .join('');

describe('match', () => {
  it('finds words as they are, and by their letters in order', () => {
    expect(shown('web', 'shop-web-1')).toBe('shop-[web]-1');
    expect(shown('sw1', 'shop-web-1')).toBe('[s]hop-[w]eb-[1]');
    expect(shown('web shop', 'shop-web-1')).toBe('[shop]-[web]-1');
    expect(match('xyz', 'shop-web-1')).toBeUndefined();
    expect(match('web zzz', 'shop-web-1')).toBeUndefined();
    expect(match('bw', 'shop-web')).toBeUndefined();
  });

  it('prefers starts, then starts of words, then what stands together', () => {
    expect(best('db', ['old-db', 'db', 'dashboard', 'mongodb'])).toEqual(['db', 'old-db', 'mongodb', 'dashboard']);
  });

  it('takes the later start of a word rather than a letter within one', () => {
    expect(shown('gc', 'Magic: go to Containers')).toBe('Magic: [g]o to [C]ontainers');
    // Unless the rest would not be found behind it.
    expect(shown('ac', 'bac-a')).toBe('b[ac]-a');
  });

  it('knows capitals within words, and scripts without case', () => {
    expect(shown('sc', 'openSomeChart')).toBe('open[S]ome[C]hart');
    expect(shown('容器', '前往容器')).toBe('前往[容器]');
  });

  it('finds whole words beside the text, but no letters strewn over it', () => {
    expect(match('nginx', 'shop-web', 'nginx:1.27')?.ranges).toEqual([]);
    expect(match('shop 1.27', 'shop-web', 'nginx:1.27')?.ranges).toEqual([[0, 4]]);
    expect(match('ngx', 'shop-web', 'nginx:1.27')).toBeUndefined();
    expect(match('web', 'shop-web', 'web')!.score).toBeGreaterThan(match('web', 'cache', 'web')!.score);
  });

  it('matches everything by nothing', () => {
    expect(match('', 'any')?.ranges).toEqual([]);
    expect(match('  ', 'any')?.ranges).toEqual([]);
  });

  it('does not point beside letters whose length changes with their case', () => {
    expect(shown('web', 'İweb')).toBe('İ[web]');
  });

  it('ends soon for long hostile names', () => {
    const name = 'a'.repeat(20_000);
    const began = performance.now();
    match(`${'a'.repeat(40)}b`, name);
    match('a a a a', name);
    expect(performance.now() - began).toBeLessThan(500);
  });
});
