import { describe, expect, it } from 'vitest';
import { link, parse } from './route.svelte';

describe('places', () => {
  it('go into an address and come back', () => {
    const check = (view: string, rest: string[], query: Record<string, string>) =>
      expect(parse(link(view, rest, query))).toEqual({ view, rest, query });
    check('containers', [], {});
    check('containers', ['4f5e', 'logs'], { search: 'a b&c=d?e', follow: '1' });
    check('images', ['registry.example:5000/a/b:1@x'], {});
    check('volumes', ['a%2Fb?c#d'], {});
    check('networks', ['<b>名</b>'], { q: '' });
  });

  it('are the containers where the address says nothing', () => {
    for (const fragment of ['', '#', '#/', '#//']) expect(parse(fragment).view).toBe('containers');
  });

  it('survive an address that is not well encoded', () => {
    expect(parse('#/volumes/100%')).toEqual({ view: 'volumes', rest: ['100%'], query: {} });
  });
});
