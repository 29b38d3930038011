import { describe, expect, it } from 'vitest';
import type { ContainerStats } from '$lib/api/generated';
import { History, KEPT } from './history';

const START = Date.parse('2026-01-02T03:04:05Z');

function sample(
  second: number,
  more: { rx?: number; written?: number; cpu?: number; pids?: number } = {},
): ContainerStats {
  const { rx = 0, written = 0, cpu = 0, pids = Number('18446744073709551615') } = more;
  const read = new Date(START + second * 1000).toISOString().replace('Z', '123456Z');
  return {
    read,
    preread: read,
    pids_stats: { current: 3, limit: pids },
    blkio_stats: { io_service_bytes_recursive: [{ major: 8, minor: 0, op: 'write', value: written }] },
    cpu_stats: { cpu_usage: { total_usage: cpu * 1e9 }, system_cpu_usage: 20e9, online_cpus: 2 },
    precpu_stats: { cpu_usage: { total_usage: 0 }, system_cpu_usage: 10e9 },
    memory_stats: { usage: 500, limit: 1000, stats: { inactive_file: 100 } },
    networks: { eth0: { rx_bytes: rx, tx_bytes: 0 } },
  } as unknown as ContainerStats;
}

describe('History', () => {
  it('makes rates of counters', () => {
    const history = new History();
    history.add(sample(0, { rx: 1000, written: 0, cpu: 5 }));
    history.add(sample(2, { rx: 5000, written: 100 }));
    const [first, second] = history.points;
    expect(first).toMatchObject({ cpu: 1, memory: 400, received: NaN, processes: 3 });
    expect(second).toMatchObject({ received: 2000, written: 50 });
    expect(history.totals).toMatchObject({ received: 5000, written: 100, limit: 1000, processesLimit: undefined });
  });

  it('tells no rate over a restart, where counters begin anew', () => {
    const history = new History();
    history.add(sample(0, { rx: 5000 }));
    history.add(sample(1, { rx: 10 }));
    expect(history.points[1]!.received).toBeNaN();
  });

  it('shows a silence as a gap', () => {
    const history = new History();
    history.add(sample(0));
    history.add(sample(30, { rx: 9 }));
    expect(history.points.map(({ memory }) => memory)).toEqual([400, NaN, 400]);
    expect(history.points[2]!.received).toBeNaN();
  });

  it('keeps five minutes', () => {
    const history = new History();
    for (let second = 0; second < 400; second++) history.add(sample(second));
    expect(history.points.length).toBe(KEPT / 1000 + 1);
    expect(history.points.at(-1)!.at - history.points[0]!.at).toBe(KEPT);
  });

  it('leaves out the sample of a container that does not run', () => {
    const history = new History();
    history.add({ ...sample(0), read: '0001-01-01T00:00:00Z' });
    expect(history.points).toEqual([]);
  });

  it('tells a limit of processes', () => {
    const history = new History();
    history.add(sample(0, { pids: 100 }));
    expect(history.totals!.processesLimit).toBe(100);
  });
});
