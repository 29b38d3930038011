import { describe, expect, it } from 'vitest';
import type { SettingEntry } from '$lib/api/generated/daemon';
import { en } from '$lib/i18n/en';
import { zhCN } from '$lib/i18n/zh-CN';
import { Settings } from '$lib/backend/fake/daemon/settings/settings';
import { FACTS } from '$lib/backend/fake/daemon/paths';
import { controlOf, grouped, isMasked, itemsOf } from './known';

const entry = (name: string, value = '', takes_effect: SettingEntry['takes_effect'] = 'at_next_start') =>
  ({
    name,
    value,
    default: '',
    is_set: false,
    description: `What ${name} is.`,
    takes_effect,
    in_force: null,
  }) satisfies SettingEntry;

describe('the settings of the daemon', () => {
  const all = new Settings(FACTS).list();

  it('all have a place, a name and a text in both languages', () => {
    expect(all.length).toBeGreaterThan(15);
    const others = grouped(all).find(({ group }) => group === 'other');
    expect(others).toBeUndefined();
    for (const { name } of all)
      for (const { daemonSettings: m } of [en, zhCN])
        expect([name, m.name[name], m.hint[name]]).not.toContain(undefined);
  });

  it('that are not known here stand apart, as text', () => {
    const groups = grouped([entry('cpus', '2'), entry('of_tomorrow', 'x')]);
    expect(groups.map(({ group, entries }) => [group, entries.map((one) => one.name)])).toEqual([
      ['resources', ['cpus']],
      ['other', ['of_tomorrow']],
    ]);
    expect(controlOf(entry('of_tomorrow'))).toEqual({ is: 'text' });
  });

  it('that have a value which no choice here has are text', () => {
    expect(controlOf(entry('link', 'auto')).is).toBe('choice');
    expect(controlOf(entry('link', 'carrier-pigeon')).is).toBe('text');
  });

  it('are lists of what is between commas', () => {
    expect(itemsOf(' a, b,,c ')).toEqual(['a', 'b', 'c']);
    expect(itemsOf('')).toEqual([]);
  });

  it('show when a password is hidden in one', () => {
    expect(isMasked('http://xxxxx:xxxxx@proxy.example:3128')).toBe(true);
    expect(isMasked('http://proxy.example:3128')).toBe(false);
  });
});
