import { expect, it } from 'vitest';
import type { ContainerStats } from './generated';
import { usage } from './usage';

const cpu = (total_usage: number, system_cpu_usage?: number, online_cpus?: number) => ({
  cpu_usage: { total_usage, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  system_cpu_usage,
  online_cpus,
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
});

function sample(more: object = {}): ContainerStats {
  return {
    cpu_stats: cpu(300, 2000, 4),
    precpu_stats: cpu(200, 1000, 4),
    memory_stats: { usage: 100, limit: 1000, stats: { inactive_file: 30 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { major: 8, minor: 0, op: 'read', value: 5 },
        { major: 8, minor: 16, op: 'Read', value: 6 },
        { major: 8, minor: 0, op: 'write', value: 7 },
      ],
    },
    networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 3, tx_bytes: 4 } },
    pids_stats: { current: 9 },
    ...more,
  } as unknown as ContainerStats;
}

it('counts as docker stats does', () => {
  expect(usage(sample())).toEqual({
    cpu: 0.4,
    memory: 70,
    limit: 1000,
    received: 4,
    sent: 6,
    read: 11,
    written: 7,
    processes: 9,
  });
});

it('knows no rate without a sample before', () => {
  expect(usage(sample({ precpu_stats: cpu(0) })).cpu).toBeUndefined();
  expect(usage(sample({ precpu_stats: cpu(0, 2000) })).cpu).toBeUndefined();
});

it('does without what is left out', () => {
  const empty = usage(sample({ memory_stats: {}, networks: undefined, pids_stats: {}, blkio_stats: {} }));
  expect(empty).toMatchObject({ memory: 0, limit: undefined, received: 0, read: 0, processes: 0 });
});
