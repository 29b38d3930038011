import { expect, it, vi } from 'vitest';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { machineLog } from './log';

const encode = (text: string) => new TextEncoder().encode(text);

it('goes on after an end and after a refusal: a daemon that starts anew writes anew', async () => {
  const streams: Stream[] = [];
  let refuses = true;
  const daemon = new Scripted({
    '/logs': (request) => {
      if (refuses) return answer(503, { message: 'not now' });
      return streams[streams.push(new Stream(request)) - 1]!.answer;
    },
  });
  const log = machineLog(daemon, 'console');
  const stop = log.start();
  await vi.waitFor(() => expect(log.standing).toMatchObject({ at: 'refused', error: { status: 503 } }));
  refuses = false;
  log.wake();
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  streams[0]!.write(encode('boot\nunfinished'));
  await vi.waitFor(() => expect([...log.buffer.lines()].map(({ text }) => text)).toEqual(['boot']));
  streams[0]!.end();
  await vi.waitFor(() => expect(log.standing.at).toBe('waiting'));
  expect([...log.buffer.lines()].map(({ text }) => text)).toEqual(['boot', 'unfinished']);
  log.wake();
  await vi.waitFor(() => expect(streams).toHaveLength(2));
  streams[1]!.write(encode('again\n'));
  await vi.waitFor(() => expect([...log.buffer.lines()].map(({ text }) => text)).toEqual(['again']));
  stop();
});
