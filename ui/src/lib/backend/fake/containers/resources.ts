import type { HostConfig } from '$lib/api/generated';
import { conflict, invalid } from '../core/failure';

const LEAST_MEMORY = 6 * 1024 * 1024;

type Resources = Pick<
  HostConfig,
  | 'Memory'
  | 'MemorySwap'
  | 'MemorySwappiness'
  | 'NanoCpus'
  | 'CpuPeriod'
  | 'CpuQuota'
  | 'CpuShares'
  | 'MemoryReservation'
  | 'CpusetCpus'
  | 'CpusetMems'
  | 'PidsLimit'
  | 'BlkioWeight'
>;

/** Limits that cannot be kept are refused, by themselves and beside each other. */
export function checkResources(host: Partial<Resources>, update = false): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, NanoCpus: nano = 0, CpuShares: shares = 0 } = host;
  if (memory !== 0 && memory < LEAST_MEMORY) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory === 0 && swap > 0 && !update) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  const swappiness = host.MemorySwappiness ?? -1;
  if (swappiness < -1 || swappiness > 100) {
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (nano > 0 && host.CpuPeriod) throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (nano > 0 && host.CpuQuota) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (shares < 0) throw invalid(`invalid CPU shares (${shares}): value must be a positive integer`);
}

/** Zero and absent values of an update mean "as before". */
export function updated(host: HostConfig, update: Partial<Resources>): HostConfig {
  const refused = [
    [
      update.NanoCpus && host.CpuPeriod,
      'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set',
    ],
    [
      update.NanoCpus && host.CpuQuota,
      'Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set',
    ],
    [
      update.CpuPeriod && host.NanoCpus,
      'Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set',
    ],
    [
      update.CpuQuota && host.NanoCpus,
      'Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set',
    ],
    [
      update.Memory && update.Memory > host.MemorySwap && !update.MemorySwap,
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    ],
  ].find(([contradicts]) => contradicts);
  if (refused) throw conflict(refused[1] as string);
  const names = [
    'Memory',
    'MemorySwap',
    'MemoryReservation',
    'NanoCpus',
    'CpuPeriod',
    'CpuQuota',
    'CpuShares',
    'CpusetCpus',
    'CpusetMems',
    'BlkioWeight',
  ] as const;
  const given = names.filter((name) => update[name]).map((name) => [name, update[name]]);
  const pids =
    update.PidsLimit === undefined || update.PidsLimit === null ? {} : { PidsLimit: Math.max(update.PidsLimit, 0) };
  return { ...host, ...Object.fromEntries(given), ...pids };
}
