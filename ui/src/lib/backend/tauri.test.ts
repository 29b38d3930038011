import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import { afterEach, expect, test, vi } from 'vitest';
import { Unreachable } from './backend';
import { Tauri } from './tauri';

afterEach(clearMocks);

const UTF8 = new TextEncoder();
const bytes = (text: string) => UTF8.encode(text).buffer;
const GET = { method: 'GET', path: '/x' } as const;

/** A program that answers each command as given, and what it was asked. */
function program(answers: Record<string, (argument: unknown) => unknown>): { asked: [string, unknown][] } {
  const asked: [string, unknown][] = [];
  mockIPC((command, argument) => {
    asked.push([command, argument]);
    return answers[command]?.(argument) as never;
  });
  return { asked };
}

/** Bodies that come in these pieces. */
function reads(...pieces: string[]) {
  return () => bytes(pieces.shift() ?? '');
}

const head = (more: object = {}) => ({ status: 200, headers: {}, stream: 7, upgraded: false, ...more });

test('a body is read to its end, piece by piece, and nothing is left of its signal', async () => {
  const life = new AbortController();
  const removed = vi.spyOn(life.signal, 'removeEventListener');
  const added = vi.spyOn(life.signal, 'addEventListener');
  const { asked } = program({ request: () => head(), read: reads('one ', 'two') });
  const answer = await new Tauri('engine', 'work').request({ ...GET, signal: life.signal });
  expect(await new Response(answer.body).text()).toBe('one two');
  expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  life.abort();
  expect(asked.map(([command]) => command)).not.toContain('close');
});

test('a request that is called off before its answer rejects at once, and is closed when the answer comes', async () => {
  const life = new AbortController();
  let answerLate!: (head: object) => void;
  const late = new Promise<object>((resolve) => (answerLate = resolve));
  const { asked } = program({ request: () => late });
  const answer = new Tauri('engine', 'work').request({ ...GET, signal: life.signal });
  life.abort(new Error('called off'));
  await expect(answer).rejects.toThrow('called off');
  expect(asked.map(([command]) => command)).not.toContain('close');
  answerLate(head({ stream: 9 }));
  await expect.poll(() => asked.at(-1)).toEqual(['close', { stream: 9 }]);
});

test('a body whose request is called off fails with the reason', async () => {
  const life = new AbortController();
  const { asked } = program({ request: () => head(), read: () => new Promise(() => {}) });
  const answer = await new Tauri('engine', 'work').request({ ...GET, signal: life.signal });
  const read = answer.body.getReader().read();
  life.abort(new Error('called off'));
  await expect(read).rejects.toThrow('called off');
  expect(asked.at(-1)).toEqual(['close', { stream: 7 }]);
});

test('the daemon’s answer in place of an engine is no answer of the engine', async () => {
  const answers = { request: () => head({ status: 503 }), read: reads('{"message":"the machine is stopped"}') };
  program(answers);
  const refused = new Tauri('engine', 'work').request(GET);
  await expect(refused).rejects.toBeInstanceOf(Unreachable);
  program({ ...answers, request: () => head({ status: 503, headers: { 'api-version': '1.51' } }) });
  expect((await new Tauri('engine', 'work').request(GET)).status).toBe(503);
  program(answers);
  expect((await new Tauri('daemon', 'work').request(GET)).status).toBe(503);
});

test('what the program says of an engine that is away is the reason', async () => {
  program({
    request: () => {
      throw { kind: 'unreachable', message: 'no such socket' };
    },
  });
  const refused = new Tauri('engine', 'work').request(GET);
  await expect(refused).rejects.toBeInstanceOf(Unreachable);
  await expect(refused).rejects.toThrow('no such socket');
});

test('what the program cannot do is no engine that is away', async () => {
  for (const kind of ['program', 'refused', 'host', 'closed', undefined]) {
    program({
      request: () => {
        throw { kind, message: 'the `berth` command was not found' };
      },
    });
    const refused = new Tauri('daemon', 'work').request(GET);
    await expect(refused).rejects.toThrow('the `berth` command was not found');
    await expect(refused).rejects.not.toBeInstanceOf(Unreachable);
  }
});

test('what is written goes in its order, and its end behind it', async () => {
  const pending: (() => void)[] = [];
  const taken = () => new Promise<void>((resolve) => pending.push(resolve));
  const { asked } = program({ upgrade: () => head({ upgraded: true }), write: taken, close_write: taken });
  const upgrade = await new Tauri('engine', 'work').upgrade({ method: 'POST', path: '/x' });
  if (!('duplex' in upgrade)) throw new Error('it was not handed over');
  const { duplex } = upgrade;
  const all = [duplex.write(UTF8.encode('a')), duplex.write(UTF8.encode('b')), duplex.closeWrite()];
  const seen = () => asked.slice(1).map(([command]) => command);
  for (const expected of [['write'], ['write', 'write'], ['write', 'write', 'close_write']]) {
    await expect.poll(seen).toEqual(expected);
    pending.at(-1)!();
  }
  await Promise.all(all);
});

test('a large body goes up in pieces, in their order, and is ended', async () => {
  const body = new Blob([new Uint8Array(2_500_000).fill(1)]);
  const { asked } = program({ upload: () => 3, answer: () => head({ stream: 3 }), write: () => null, read: reads() });
  const answer = await new Tauri('engine', 'work').request({ method: 'PUT', path: '/x', body });
  expect(answer.status).toBe(200);
  await expect.poll(() => asked.map(([command]) => command)).toContain('close_write');
  const pieces = asked.filter(([command]) => command === 'write').map(([, piece]) => (piece as Uint8Array).length);
  expect(pieces).toEqual([1 << 20, 1 << 20, 2_500_000 - (2 << 20)]);
});

test('a file that cannot be read to its end fails, and what was sent of it is broken off', async () => {
  const body = new Blob([new Uint8Array(2_500_000)]);
  vi.spyOn(body, 'slice').mockImplementation((at) => {
    if (at === 0) return new Blob([new Uint8Array(1 << 20)]);
    throw new Error('the file is gone');
  });
  const { asked } = program({ upload: () => 3, answer: () => new Promise(() => {}), write: () => null });
  const answer = new Tauri('engine', 'work').request({ method: 'PUT', path: '/x', body });
  await expect(answer).rejects.toThrow('the file is gone');
  const commands = asked.map(([command]) => command);
  expect(commands).toContain('close');
  expect(commands).not.toContain('close_write');
});

test('a large body that is called off is never ended as if it were whole', async () => {
  const life = new AbortController();
  const body = new Blob([new Uint8Array(2_500_000)]);
  const { asked } = program({
    upload: () => 3,
    answer: () => new Promise(() => {}),
    write: () => life.abort(new Error('called off')),
  });
  const answer = new Tauri('engine', 'work').request({ method: 'PUT', path: '/x', body, signal: life.signal });
  await expect(answer).rejects.toThrow('called off');
  await expect.poll(() => asked.map(([command]) => command)).toContain('close');
  expect(asked.map(([command]) => command)).not.toContain('close_write');
});
