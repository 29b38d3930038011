import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ContainerStats } from '$lib/api/generated';
import { Meters } from './meters.svelte';
import { refused, Scripted, type Reply } from './scripted';

const CPU_SECOND = 1e9;

/** After `seconds` of a machine with two processors, of which the container had `used` seconds of one. */
function sample(seconds: number, used: number, more: Partial<ContainerStats> = {}): Reply {
  const body = {
    read: new Date(seconds * 1000).toISOString(),
    cpu_stats: {
      cpu_usage: { total_usage: used * CPU_SECOND, usage_in_kernelmode: 0, usage_in_usermode: 0 },
      system_cpu_usage: seconds * 2 * CPU_SECOND,
      online_cpus: 2,
    },
    precpu_stats: { cpu_usage: { total_usage: 0 } },
    memory_stats: { usage: 5000, limit: 8000, stats: { inactive_file: 1000 } },
    blkio_stats: {},
    pids_stats: {},
    ...more,
  };
  return { body };
}

let stop: (() => void) | undefined;
const run = (meters: Meters) => (stop = meters.run());

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  stop?.();
  vi.useRealTimers();
});

function hide(hidden: boolean): void {
  vi.spyOn(document, 'hidden', 'get').mockReturnValue(hidden);
  document.dispatchEvent(new Event('visibilitychange'));
}

describe('meters', () => {
  it('take the share of a processor from one sample to the next, and memory without cache', async () => {
    const replies = [sample(100, 10), sample(102, 13)];
    const meters = new Meters(new Scripted(() => replies.shift()!));
    meters.watch('a');
    run(meters);
    await vi.advanceTimersByTimeAsync(100);
    expect(meters.of('a').now).toMatchObject({ cpu: undefined, memory: 4000, limit: 8000 });
    expect(meters.of('a').cpu).toEqual([]);
    await vi.advanceTimersByTimeAsync(2000);
    // Three seconds of a processor within two: one and a half.
    expect(meters.of('a').cpu).toEqual([1.5]);
    expect(meters.of('a').memory).toEqual([4000, 4000]);
  });

  it('ask at once, without waiting for the engine’s second sample, and every two seconds', async () => {
    const backend = new Scripted(() => sample(1, 1));
    const meters = new Meters(backend);
    run(meters);
    const leave = meters.watch('a');
    await vi.advanceTimersByTimeAsync(100);
    expect(backend.asked).toEqual(['GET /containers/a/stats?stream=false&one-shot=true']);
    await vi.advanceTimersByTimeAsync(4000);
    expect(backend.asked).toHaveLength(3);
    leave();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(backend.asked).toHaveLength(3);
  });

  it('ask four at a time', async () => {
    let open = 0;
    let most = 0;
    const backend = new Scripted(async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 10));
      open--;
      return sample(1, 1);
    });
    const meters = new Meters(backend);
    for (let n = 0; n < 20; n++) meters.watch(`c${n}`);
    run(meters);
    await vi.advanceTimersByTimeAsync(200);
    expect(backend.asked).toHaveLength(20);
    expect(most).toBe(4);
  });

  it('rest while the page cannot be seen', async () => {
    const backend = new Scripted(() => sample(1, 1));
    const meters = new Meters(backend);
    meters.watch('a');
    run(meters);
    await vi.advanceTimersByTimeAsync(100);
    hide(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(backend.asked).toHaveLength(1);
    hide(false);
    await vi.advanceTimersByTimeAsync(100);
    expect(backend.asked).toHaveLength(2);
    // The picture begins anew: a minute is missing.
    expect(meters.of('a').memory).toHaveLength(1);
  });

  it('keep a minute', async () => {
    const meters = new Meters(new Scripted(() => sample(1, 1)));
    meters.watch('a');
    run(meters);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(meters.of('a').memory).toHaveLength(30);
  });

  it('forget one that ended, and go on with the others', async () => {
    let gone = false;
    const backend = new Scripted(({ path }) =>
      path.includes('/a/') && gone ? refused(404, 'No such container: a') : sample(1, 1),
    );
    const meters = new Meters(backend);
    meters.watch('a');
    meters.watch('b');
    run(meters);
    await vi.advanceTimersByTimeAsync(100);
    gone = true;
    await vi.advanceTimersByTimeAsync(2000);
    expect(meters.of('a').now).toBeUndefined();
    expect(meters.of('b').memory).toHaveLength(2);
  });

  it('show nothing for one without a process', async () => {
    const empty = { cpu_stats: { cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 } } };
    const meters = new Meters(
      new Scripted(() => sample(1, 1, { ...empty, memory_stats: {} } as Partial<ContainerStats>)),
    );
    meters.watch('a');
    run(meters);
    await vi.advanceTimersByTimeAsync(100);
    expect(meters.of('a').now).toBeUndefined();
  });

  it('try again after the engine was away', async () => {
    let away = true;
    const backend = new Scripted(() => (away ? 'unreachable' : sample(1, 1)));
    const meters = new Meters(backend);
    for (let n = 0; n < 20; n++) meters.watch(`c${n}`);
    run(meters);
    await vi.advanceTimersByTimeAsync(100);
    // Nobody asks twenty times to learn the same.
    expect(backend.asked.length).toBeLessThanOrEqual(4);
    away = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect(meters.of('c19').now).toBeDefined();
  });

  it('end with their page', async () => {
    const backend = new Scripted(() => sample(1, 1));
    const meters = new Meters(backend);
    meters.watch('a');
    meters.run()();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(backend.asked).toEqual([]);
  });
});
