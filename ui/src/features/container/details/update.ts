import type { ContainerInspect, ContainerUpdateRequest } from '$lib/api/generated';

/** What can be changed of a container as it is, as a person edits it: empty means no limit, or none yet. */
export interface Settings {
  restart: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** For `on-failure`: how often at most; empty for ever. */
  retries: string;
  /** `512m`, `1.5g`. */
  memory: string;
  /** `0.5`, `2`. */
  cpus: string;
  pids: string;
}

export function settings({ HostConfig }: ContainerInspect): Settings {
  const { RestartPolicy, Memory, NanoCpus, PidsLimit } = HostConfig;
  const restart =
    (['always', 'unless-stopped', 'on-failure'] as const).find((one) => one === RestartPolicy.Name) ?? 'no';
  return {
    restart,
    retries: RestartPolicy.MaximumRetryCount > 0 ? String(RestartPolicy.MaximumRetryCount) : '',
    memory: Memory > 0 ? sizeWords(Memory) : '',
    cpus: NanoCpus > 0 ? String(NanoCpus / 1e9) : '',
    pids: PidsLimit !== null && PidsLimit > 0 ? String(PidsLimit) : '',
  };
}

const UNITS = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** As docker's flags take sizes; undefined if it is none. */
export function parseSize(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (found === null) return undefined;
  return Math.floor(Number(found[1]) * UNITS[(found[2]!.toLowerCase() || 'b') as keyof typeof UNITS]);
}

export function sizeWords(bytes: number): string {
  for (const unit of ['t', 'g', 'm', 'k'] as const)
    if (bytes % UNITS[unit] === 0 && bytes >= UNITS[unit]) return `${bytes / UNITS[unit]}${unit}`;
  return `${bytes}b`;
}

export type Mistake = 'memory' | 'memoryNotRemoved' | 'cpus' | 'cpusNotRemoved' | 'pids' | 'retries';

/** The engine's smallest: less memory than this no container starts with. */
const LEAST_MEMORY = 6 * 1024 * 1024;

/** The request that brings a container from what it has to `wanted`; only what differs. Or what is wrong with `wanted`. */
export function update(
  inspect: ContainerInspect,
  wanted: Settings,
): { request: ContainerUpdateRequest } | { mistakes: Mistake[] } {
  const now = settings(inspect);
  const request: ContainerUpdateRequest = {};
  const mistakes: Mistake[] = [];
  if (wanted.restart !== now.restart || (wanted.restart === 'on-failure' && wanted.retries !== now.retries)) {
    const retries = wanted.restart === 'on-failure' ? Number(wanted.retries || 0) : 0;
    if (!Number.isInteger(retries) || retries < 0) mistakes.push('retries');
    else request.RestartPolicy = { Name: wanted.restart, MaximumRetryCount: retries };
  }
  if (wanted.memory.trim() !== now.memory) {
    const bytes = parseSize(wanted.memory);
    // The Engine API reads 0 as "as it is": a limit is changed, not taken away.
    if (wanted.memory.trim() === '') mistakes.push('memoryNotRemoved');
    else if (bytes === undefined || bytes < LEAST_MEMORY) mistakes.push('memory');
    else {
      request.Memory = bytes;
      request.MemorySwap = swap(inspect.HostConfig, bytes);
    }
  }
  if (wanted.cpus.trim() !== now.cpus) {
    const cpus = Number(wanted.cpus);
    if (wanted.cpus.trim() === '') mistakes.push('cpusNotRemoved');
    else if (!(cpus >= 0.01)) mistakes.push('cpus');
    else request.NanoCpus = Math.round(cpus * 1e9);
  }
  if (wanted.pids.trim() !== now.pids) {
    const pids = wanted.pids.trim() === '' ? -1 : Number(wanted.pids);
    if (!Number.isInteger(pids) || pids === 0 || pids < -1) mistakes.push('pids');
    else request.PidsLimit = pids;
  }
  return mistakes.length > 0 ? { mistakes } : { request };
}

/** The sum of memory and swap for so much memory: the old sum would be refused with a larger limit, and the swap stays as it was meant. */
function swap({ Memory, MemorySwap }: ContainerInspect['HostConfig'], memory: number): number {
  if (MemorySwap === -1) return -1;
  // docker gives as much swap again unless told otherwise.
  if (!(Memory > 0 && MemorySwap >= Memory) || MemorySwap === 2 * Memory) return 2 * memory;
  return memory + MemorySwap - Memory;
}
