import { flushSync } from 'svelte';
import { beforeEach, describe, expect, it } from 'vitest';
import { Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import type { FakeEngine } from '$lib/backend/fake/engine';
import { scene } from '$lib/backend/fake/scenes';
import { Session, type Way } from './session.svelte';

let engine: FakeEngine;
beforeEach(() => (engine = scene('busy')));

/** A session whose screen is a text that can be waited for. */
function open(way: Way, container = 'sandbox') {
  const session = new Session(engine, container, way, { rows: 24, columns: 80 });
  const decoder = new TextDecoder();
  let text = '';
  let heard = () => {};
  const over = session.run(async (bytes) => {
    text += decoder.decode(bytes, { stream: true });
    heard();
  });
  const until = (words: string) =>
    new Promise<void>((resolve) => {
      heard = () => text.includes(words) && resolve();
      heard();
    });
  const type = (words: string) => session.send(new TextEncoder().encode(words));
  return { session, over, until, type, text: () => text };
}

describe('Session', () => {
  it('opens a shell, takes keys, and says its exit code', async () => {
    const { session, over, until, type } = open({ kind: 'shell' });
    await until('# ');
    type('echo he""llo; exit 3\r');
    await over;
    flushSync();
    expect(session.stage).toEqual({ at: 'ended', code: 3 });
  });

  it('takes what is typed before the shell is there', async () => {
    const { session, over, type } = open({ kind: 'shell' });
    expect(session.stage.at).toBe('opening');
    type('exit ');
    type('4\r');
    await over;
    expect(session.stage).toEqual({ at: 'ended', code: 4 });
  });

  it('runs a command', async () => {
    const { session, over, text } = open({ kind: 'command', words: ['echo', 'a b'] });
    await over;
    expect(text()).toContain('a b');
    expect(session.stage).toEqual({ at: 'ended', code: 0 });
  });

  it('tells a container that does not run in the engine’s words', async () => {
    await containers.stop(engine, 'sandbox', { seconds: 0 });
    const { session, over } = open({ kind: 'shell' });
    await over;
    expect(session.stage).toMatchObject({ at: 'failed', error: expect.any(Refused) });
  });

  it('tells a command that there is not', async () => {
    const { session, over } = open({ kind: 'command', words: ['no-such-program'] });
    await over;
    expect(['ended', 'failed']).toContain(session.stage.at);
    if (session.stage.at === 'ended') expect(session.stage.code).toBe(127);
  });

  it('ends with its container', async () => {
    const { session, over, until } = open({ kind: 'shell' });
    await until('# ');
    await containers.kill(engine, 'sandbox');
    await over;
    expect(session.stage.at).toBe('ended');
  });

  it('is closed by the page without a word', async () => {
    const { session, over, until } = open({ kind: 'shell' });
    await until('# ');
    session.close();
    await over;
    expect(session.stage.at).not.toBe('failed');
  });

  it('hangs up on its own shell when the page closes it, and on no other', async () => {
    const made: { Cmd: string[]; Env?: string[] }[] = [];
    const whole = engine.request.bind(engine);
    engine.request = (request) => {
      if (request.path.endsWith('/exec')) made.push(JSON.parse(request.body as string));
      return whole(request);
    };
    const ended = open({ kind: 'command', words: ['true'] });
    await ended.over;
    ended.session.close();
    const { session, over, until } = open({ kind: 'shell' });
    await until('# ');
    session.close();
    await over;
    expect(made).toHaveLength(3);
    const mark = made[1]!.Env!.find((one) => one.startsWith('BERTH_TAB='));
    expect(made[2]!.Cmd.at(-1)).toBe(mark);
    expect(made[0]!.Env).not.toContain(mark);
  });
});
