import type { ContainerStats } from './generated';

export type Usage = {
  /** 1 is one processor, whole. Undefined without a sample before. */
  cpu?: number;
  /** Bytes, without what the kernel can drop at once. */
  memory: number;
  /** Bytes; undefined where nothing limits it. */
  limit?: number;
  received: number;
  sent: number;
  read: number;
  written: number;
  processes: number;
};

/** What a sample says, counted as `docker stats` counts (docker/cli, `cli/command/container/stats_helpers.go`). */
export function usage(sample: ContainerStats): Usage {
  const networks = Object.values(sample.networks ?? {});
  const disk = (op: string) =>
    (sample.blkio_stats.io_service_bytes_recursive ?? [])
      .filter((entry) => entry.op.toLowerCase() === op)
      .reduce((sum, entry) => sum + entry.value, 0);
  const { usage: used = 0, limit = 0, stats } = sample.memory_stats;
  const inactive = stats?.inactive_file ?? 0;
  return {
    cpu: cpu(sample),
    memory: inactive < used ? used - inactive : used,
    limit: limit > 0 ? limit : undefined,
    received: networks.reduce((sum, one) => sum + one.rx_bytes, 0),
    sent: networks.reduce((sum, one) => sum + one.tx_bytes, 0),
    read: disk('read'),
    written: disk('write'),
    processes: sample.pids_stats.current ?? 0,
  };
}

function cpu({ cpu_stats: now, precpu_stats: before }: ContainerStats): number | undefined {
  const { system_cpu_usage: system = 0, online_cpus: processors = 0 } = now;
  const passed = system - (before.system_cpu_usage ?? 0);
  // Before the first sample there are zeros.
  if (!before.system_cpu_usage || passed <= 0) return undefined;
  return (Math.max(0, now.cpu_usage.total_usage - before.cpu_usage.total_usage) / passed) * Math.max(1, processors);
}
