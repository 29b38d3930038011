// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

export interface BlkioEntry {
  major: number;
  minor: number;
  /** `read` or `write`. */
  op: string;
  value: number;
}

/** Block I/O; on cgroup v2 only the first field is filled, the others are `null`. */
export interface BlkioStats {
  io_merged_recursive: BlkioEntry[] | null;
  io_queue_recursive: BlkioEntry[] | null;
  io_service_bytes_recursive: BlkioEntry[] | null;
  io_service_time_recursive: BlkioEntry[] | null;
  io_serviced_recursive: BlkioEntry[] | null;
  io_time_recursive: BlkioEntry[] | null;
  io_wait_time_recursive: BlkioEntry[] | null;
  sectors_recursive: BlkioEntry[] | null;
}

/** One sample, with the one before it for rates. */
export interface ContainerStats {
  blkio_stats: BlkioStats;
  cpu_stats: CpuStats;
  id?: string;
  memory_stats: MemoryStats;
  name?: string;
  /** By interface name in the container; absent without a network of its own. */
  networks?: Record<string, NetworkStats>;
  num_procs: number;
  pids_stats: PidsStats;
  precpu_stats: CpuStats;
  preread: string;
  read: string;
  storage_stats: StorageStats;
}

export interface CpuStats {
  cpu_usage: CpuUsage;
  online_cpus?: number;
  /** CPU time of the whole system in nanoseconds. */
  system_cpu_usage?: number;
  throttling_data: ThrottlingData;
}

/** Nanoseconds. */
export interface CpuUsage {
  percpu_usage?: number[];
  total_usage: number;
  usage_in_kernelmode: number;
  usage_in_usermode: number;
}

/** Bytes. */
export interface MemoryStats {
  failcnt?: number;
  limit?: number;
  max_usage?: number;
  /** The fields of `memory.stat`. */
  stats?: Record<string, number>;
  usage?: number;
}

export interface NetworkStats {
  rx_bytes: number;
  rx_dropped: number;
  rx_errors: number;
  rx_packets: number;
  tx_bytes: number;
  tx_dropped: number;
  tx_errors: number;
  tx_packets: number;
}

export interface PidsStats {
  current?: number;
  /** `u64::MAX`: none (what cgroup v2's `max` becomes). */
  limit?: number;
}

/** Windows only; always `{}` here. */
export interface StorageStats {
  read_count_normalized?: number;
  read_size_bytes?: number;
  write_count_normalized?: number;
  write_size_bytes?: number;
}

export interface ThrottlingData {
  periods: number;
  throttled_periods: number;
  /** Nanoseconds. */
  throttled_time: number;
}
