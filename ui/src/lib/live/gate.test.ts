import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Gate } from './gate';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A job whose runs end when they are told to. */
function job() {
  const ends: (() => void)[] = [];
  const run = vi.fn(() => new Promise<void>((resolve) => ends.push(resolve)));
  const end = async () => {
    ends.shift()!();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { run, end };
}

it('makes one run of news that come together', async () => {
  const { run } = job();
  const gate = new Gate(run);
  gate.ask();
  await vi.advanceTimersByTimeAsync(30);
  gate.ask();
  // Counted from the first: a stream of news that does not end must not put the run off for ever.
  await vi.advanceTimersByTimeAsync(19);
  expect(run).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(run).toHaveBeenCalledTimes(1);
});

it('never runs twice at once, and once more for what was asked meanwhile', async () => {
  const { run, end } = job();
  const gate = new Gate(run);
  gate.askNow();
  await vi.advanceTimersByTimeAsync(0);
  gate.ask();
  gate.askNow();
  await vi.advanceTimersByTimeAsync(500);
  expect(run).toHaveBeenCalledTimes(1);
  await end();
  await vi.advanceTimersByTimeAsync(499);
  expect(run, 'waits as long as the first run took').toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(run).toHaveBeenCalledTimes(2);
  await end();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(run, 'nothing runs when nothing is asked').toHaveBeenCalledTimes(2);
});

it('runs at once where it waits for more', async () => {
  const { run } = job();
  const gate = new Gate(run);
  gate.ask();
  gate.askNow();
  await vi.advanceTimersByTimeAsync(0);
  expect(run).toHaveBeenCalledTimes(1);
});

it('does nothing once it is stopped', async () => {
  const { run } = job();
  const gate = new Gate(run);
  gate.ask();
  gate.stop();
  gate.ask();
  await vi.advanceTimersByTimeAsync(1000);
  expect(run).not.toHaveBeenCalled();
});
