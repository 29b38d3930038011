import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Refused } from '$lib/api/call';
import { Unreachable } from '$lib/backend/backend';
import { Stream } from '$lib/backend/scripted';
import { Follower } from './follower.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A follower of streams that the test writes; `answers` says what the next openings fail with. */
function followed({ ends }: { ends: boolean }) {
  const streams: Stream[] = [];
  const answers: unknown[] = [];
  let text = '';
  const decoder = new TextDecoder();
  const follower = new Follower(
    {
      ends,
      open: async (signal) => {
        const stream = new Stream({ signal });
        streams.push(stream);
        if (answers.length > 0) throw answers.shift();
        return stream.answer.body;
      },
    },
    {
      begin: () => (text = ''),
      push: (bytes) => (text += decoder.decode(bytes)),
      end: () => (text += '.'),
    },
  );
  const write = (words: string) => streams.at(-1)!.write(new TextEncoder().encode(words));
  /** Lets what is due happen, and nothing that waits for the clock. */
  const settle = () => vi.advanceTimersByTimeAsync(0);
  return { follower, streams, answers, write, settle, text: () => text };
}

it.each([true, false])('begins anew after a break, and keeps what it read until then (ends: %s)', async (ends) => {
  const { follower, streams, write, settle, text } = followed({ ends });
  const stop = follower.start();
  await settle();
  write('one ');
  await settle();
  streams[0]!.fail(new Unreachable('gone'));
  await settle();
  expect(follower.standing).toEqual({ at: 'waiting' });
  expect(text()).toBe('one ');
  follower.wake();
  await settle();
  write('one two');
  await settle();
  expect(follower.standing).toEqual({ at: 'reading' });
  expect(text()).toBe('one two');
  stop();
});

it('has read all at the end of what ends, and opens it no more', async () => {
  const { follower, streams, write, settle, text } = followed({ ends: true });
  const stop = follower.start();
  await settle();
  write('all');
  streams[0]!.end();
  await settle();
  expect(follower.standing).toEqual({ at: 'ended' });
  expect(text()).toBe('all.');
  follower.wake();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(streams).toHaveLength(1);
  stop();
});

it('opens again what does not end, though it did', async () => {
  const { follower, streams, write, settle } = followed({ ends: false });
  const stop = follower.start();
  await settle();
  write('one');
  streams[0]!.end();
  await settle();
  expect(follower.standing).toEqual({ at: 'waiting' });
  await vi.advanceTimersByTimeAsync(500);
  expect(streams).toHaveLength(2);
  stop();
});

it('leaves it at a refusal where an end is the end, and tries again where it is not', async () => {
  const refusal = new Refused(404, 'no such log');
  for (const ends of [true, false]) {
    const { follower, streams, answers, settle } = followed({ ends });
    answers.push(refusal);
    const stop = follower.start();
    await settle();
    expect(follower.standing).toEqual({ at: 'refused', error: refusal });
    await vi.advanceTimersByTimeAsync(500);
    expect(streams).toHaveLength(ends ? 1 : 2);
    expect(follower.standing.at).toBe(ends ? 'refused' : 'reading');
    stop();
  }
});

it('waits longer from failure to failure, and not after something came', async () => {
  const { follower, streams, answers, write, settle } = followed({ ends: true });
  answers.push(new Unreachable('gone'), new Unreachable('gone'));
  const stop = follower.start();
  await settle();
  await vi.advanceTimersByTimeAsync(500);
  expect(streams).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(999);
  expect(streams).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(streams).toHaveLength(3);
  write('one');
  await settle();
  streams[2]!.fail(new Unreachable('gone'));
  await vi.advanceTimersByTimeAsync(500);
  expect(streams).toHaveLength(4);
  stop();
});

it('is told to stop: it closes what it reads, and a pause is the last', async () => {
  const { follower, streams, write, settle, text } = followed({ ends: false });
  const stop = follower.start();
  await settle();
  write('one');
  await settle();
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(text()).toBe('one');
  expect(follower.standing).toEqual({ at: 'reading' });
  expect(streams).toHaveLength(1);
  const later = follower.start();
  await settle();
  streams[1]!.end();
  await settle();
  later();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(streams).toHaveLength(2);
});
