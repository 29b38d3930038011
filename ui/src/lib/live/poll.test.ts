import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { poll, type Poll } from './poll';

let hidden = false;
let open: Poll | undefined;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(document, 'hidden', 'get').mockImplementation(() => hidden);
});

afterEach(() => {
  open?.stop();
  hidden = false;
  vi.useRealTimers();
});

function see(is: boolean): void {
  hidden = !is;
  document.dispatchEvent(new Event('visibilitychange'));
}

it('asks at once, and again so long after each answer as is said by then', async () => {
  let wait: number | undefined = 1000;
  const job = vi.fn(async () => undefined);
  open = poll(job, () => wait);
  await vi.advanceTimersByTimeAsync(2500);
  expect(job).toHaveBeenCalledTimes(3);
  wait = undefined;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(job).toHaveBeenCalledTimes(4);
  open.now();
  expect(job).toHaveBeenCalledTimes(5);
});

it('rests while nobody can see the page, and asks when it is seen again', async () => {
  const job = vi.fn(async () => undefined);
  open = poll(job, () => 1000);
  await vi.advanceTimersByTimeAsync(500);
  see(false);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(job).toHaveBeenCalledTimes(1);
  see(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(job).toHaveBeenCalledTimes(2);
});

it('has one question at a time: what is wanted meanwhile is asked once more behind it', async () => {
  const waiting: (() => void)[] = [];
  const job = vi.fn(() => new Promise<void>((done) => waiting.push(done)));
  open = poll(job, () => 1000);
  open.now();
  open.now();
  expect(job).toHaveBeenCalledTimes(1);
  waiting[0]!();
  await vi.advanceTimersByTimeAsync(0);
  expect(job).toHaveBeenCalledTimes(2);
  waiting[1]!();
  await vi.advanceTimersByTimeAsync(0);
  expect(job).toHaveBeenCalledTimes(2);
});

it('ends with its question', async () => {
  let signal: AbortSignal | undefined;
  const job = vi.fn(async (of: AbortSignal) => void (signal = of));
  open = poll(job, () => 1000);
  open.stop();
  await vi.advanceTimersByTimeAsync(5000);
  expect(job).toHaveBeenCalledTimes(1);
  expect(signal!.aborted).toBe(true);
});
