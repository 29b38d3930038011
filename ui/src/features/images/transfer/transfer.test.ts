import { describe, expect, it } from 'vitest';
import { Refused } from '$lib/api/call';
import type { JsonMessage } from '$lib/api/generated';
import { again, begin, dismiss, running } from './jobs.svelte';
import { Transfer } from './transfer.svelte';

/** Says what it is given, and then waits for its end. */
function endless(said: JsonMessage[], seen: { aborted: boolean }) {
  return async function* (signal: AbortSignal): AsyncGenerator<JsonMessage> {
    yield* said;
    if (signal.aborted) seen.aborted = true;
    signal.throwIfAborted();
    await new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        seen.aborted = true;
        reject(signal.reason as Error);
      });
    });
  };
}

describe('a transfer', () => {
  it('ends with all that was said', async () => {
    const transfer = new Transfer(async function* () {
      yield { status: 'Digest: x' };
    });
    expect(await transfer.run()).toBe('done');
    expect(transfer.progress.words).toEqual(['Digest: x']);
  });

  it('keeps what was said when it fails half way, and begins anew', async () => {
    let calls = 0;
    const transfer = new Transfer(async function* () {
      calls += 1;
      yield { id: 'a', status: 'Downloading', progressDetail: { current: calls, total: 10 } };
      if (calls === 1) throw new Refused(500, 'unexpected EOF');
    });
    expect(await transfer.run()).toBe('failed');
    expect(transfer.failure).toBe('unexpected EOF');
    expect(transfer.progress.layers[0]!.current).toBe(1);
    expect(await transfer.run()).toBe('done');
    expect(transfer.failure).toBeUndefined();
    expect(transfer.progress.layers[0]!.current).toBe(2);
  });

  it('takes a failure that comes as a line for one', async () => {
    const transfer = new Transfer(async function* () {
      yield { error: 'denied' };
    });
    expect(await transfer.run()).toBe('failed');
    expect(transfer.failure).toBe('denied');
  });

  it('ends its request when it is stopped, which is no failure', async () => {
    const seen = { aborted: false };
    const transfer = new Transfer(endless([{ status: 'a' }], seen));
    const end = transfer.run();
    transfer.stop();
    expect(await end).toBe('stopped');
    expect(seen.aborted).toBe(true);
    expect(transfer.failure).toBeUndefined();
  });
});

describe('the jobs of the window', () => {
  it('leave when they are done, and stay when they failed', async () => {
    let fails = true;
    const ends: string[] = [];
    const ended = new Promise<void>((resolve) => {
      begin(
        'pull',
        'nginx',
        async function* () {
          yield { status: 'x' };
          if (fails) throw new Error('no');
        },
        (state) => {
          ends.push(state);
          resolve();
        },
      );
    });
    expect(running()).toHaveLength(1);
    await ended;
    expect(running()).toHaveLength(1);
    fails = false;
    await again(running()[0]!, (state) => ends.push(state));
    expect(ends).toEqual(['failed', 'done']);
    expect(running()).toEqual([]);
  });

  it('are ended when they are dismissed', async () => {
    const seen = { aborted: false };
    const ended = new Promise((resolve) => begin('load', 'a.tar', endless([], seen), resolve));
    dismiss(running()[0]!);
    expect(await ended).toBe('stopped');
    expect([running().length, seen.aborted]).toEqual([0, true]);
  });
});
