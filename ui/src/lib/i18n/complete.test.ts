import { describe, expect, it } from 'vitest';
import { en } from './en';
import { preferred } from './index.svelte';
import { zhCN } from './zh-CN';

/** Every text by its path; functions as what they are. */
function texts(of: object, path = ''): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [name, value] of Object.entries(of)) {
    const at = path === '' ? name : `${path}.${name}`;
    if (typeof value === 'object' && value !== null) for (const [more, text] of texts(value, at)) found.set(more, text);
    else found.set(at, value);
  }
  return found;
}

const [english, chinese] = [texts(en), texts(zhCN)];

describe('the Chinese texts', () => {
  it('are as many as the English ones', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort());
  });

  it('are texts where those are texts, and take numbers and names where those do', () => {
    const kinds = (of: Map<string, unknown>) => Object.fromEntries([...of].map(([path, text]) => [path, typeof text]));
    expect(kinds(chinese)).toEqual(kinds(english));
  });

  it('are none of them empty', () => {
    const empty = [...english, ...chinese].filter(([, text]) => text === '').map(([path]) => path);
    expect(empty).toEqual([]);
  });
});

describe('preferred', () => {
  it('takes the first language that there is', () => {
    expect(preferred(['fr', 'zh-TW', 'en'])).toBe('zh-CN');
    expect(preferred(['en-GB', 'zh'])).toBe('en');
    expect(preferred(['fr'])).toBe('en');
    expect(preferred([])).toBe('en');
  });
});
