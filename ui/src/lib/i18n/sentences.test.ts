import chinese from 'virtual:sentences/zh-CN';
import { describe, expect, it } from 'vitest';
import type { MachineStatus } from '$lib/api/generated/daemon';
import { away, told } from '$lib/backend/fake/daemon/words';
import { FATES } from '$lib/backend/fake/daemon/script';
import { setLocale } from './index.svelte';
import { sentence, sentencesLoaded } from './sentence.svelte';
import { Catalogue } from './sentences';

describe('the Chinese sentences', () => {
  const blanks = (text: string) => [...new Set(text.match(/%\{\w+\}/g))].sort();

  it('have the blanks of the English ones, and are there once', () => {
    expect(chinese.length).toBeGreaterThan(300);
    expect(new Set(chinese.map(([english]) => english)).size).toBe(chinese.length);
    expect(chinese.filter(([english, translation]) => english === '' || translation === '')).toEqual([]);
    for (const [english, translation] of chinese) expect(blanks(translation), english).toEqual(blanks(english));
  });

  it.each(Object.entries(FATES))('say why a start fails at %s', (_, { fate, fallback }) => {
    const catalogue = new Catalogue(chinese);
    for (const cause of [fate!.cause, fallback ?? fate!.cause]) {
      for (const said of [
        cause,
        told({ step: null, cause, console: [], alive: true, during: 'start', unanswered: false }),
      ])
        expect(catalogue.translate(said)).toMatch(/\p{Script=Han}/u);
    }
  });

  it.each(['starting', 'running', 'resetting', 'stopping', 'stopped'] as const)(
    'say why there is no engine while the machine is %s',
    (phase) => {
      const said = away({ phase, failure: null, trouble: null } as MachineStatus);
      expect(new Catalogue(chinese).translate(said)).not.toMatch(/\b(the|is|again)\b/);
    },
  );

  it('say in Chinese what the daemon and the engine say, while the pages are Chinese', async () => {
    const said = 'the machine is stopped: run `berth up`';
    expect(sentence(said)).toBe(said);
    setLocale('zh-CN');
    await sentencesLoaded();
    expect(sentence(said)).toBe('虚拟机没有运行：请运行 `berth up`');
    expect(sentence('No such container: web')).toBe('没有这个容器：web');
    expect(sentence('what nobody has translated')).toBe('what nobody has translated');
    setLocale('en');
    expect(sentence(said)).toBe(said);
  });
});
