import { afterEach, expect, it } from 'vitest';
import { setLocale } from '$lib/i18n/index.svelte';
import { aRow } from './sample';
import { stateHint, stateWords } from './words';

afterEach(() => setLocale('en'));

it.each([
  ['running', 'Up 5 minutes', 'Running', '运行中'],
  ['running', 'Up 5 minutes (unhealthy)', 'Running, unhealthy', '运行中，不健康'],
  ['running', 'Up 1 second (health: starting)', 'Running, not healthy yet', '运行中，尚未就绪'],
  ['exited', 'Exited (0) 1 hour ago', 'Finished', '已完成'],
  ['exited', 'Exited (1) 1 hour ago', 'Exited with 1', '已退出，代码 1'],
  ['restarting', 'Restarting (1) 1 second ago', 'Restarting, exit 1', '正在重启，代码 1'],
  ['created', 'Created', 'Never started', '从未启动'],
  ['stopping', 'Stopping', 'Unknown', '未知'],
])('says %s, %s', (State, Status, english, chinese) => {
  const row = aRow('x', { State, Status });
  expect(stateWords(row)).toBe(english);
  setLocale('zh-CN');
  expect(stateWords(row)).toBe(chinese);
});

it('explains a code that has a meaning, beside the engine’s own words', () => {
  const of = (code: number) => stateHint(aRow('x', { State: 'exited', Status: `Exited (${code}) 1 hour ago` }));
  expect(of(137)).toBe('It was killed, or ran out of memory\nExited (137) 1 hour ago');
  expect(of(3)).toBe('Exited (3) 1 hour ago');
});
