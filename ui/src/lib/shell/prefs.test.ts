import { describe, expect, it } from 'vitest';
import { parsePrefs } from './prefs.svelte';

const DEFAULT = { theme: 'system', density: 'comfortable', size: 100, locale: 'system', welcomed: false };

describe('parsePrefs', () => {
  it('takes what was kept', () => {
    const kept = { theme: 'dark', density: 'compact', size: 125, locale: 'zh-CN', welcomed: true };
    expect(parsePrefs(JSON.stringify(kept))).toEqual(kept);
  });

  it('takes what means something and leaves the rest', () => {
    expect(parsePrefs('{"theme":"light","density":"tiny","size":1000,"locale":"tlh","more":1}')).toEqual({
      ...DEFAULT,
      theme: 'light',
    });
  });

  it.each([null, '', 'null', '[]', '7', '{"theme":', '"dark"'])('does without %j', (text) => {
    expect(parsePrefs(text)).toEqual(DEFAULT);
  });
});
