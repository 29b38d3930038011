import type { ContainerStats, CpuStats } from '$lib/api/generated';
import type { Call } from '../core/call';
import { invalid } from '../core/failure';
import { Outlet } from '../core/outlet';
import { line, stream } from '../core/reply';
import { NEVER, rfc3339 } from '../core/time';
import type { World } from '../world';
import type { Container } from './container';

const INTERVAL = 1000;
/** What cgroup v2's `max` becomes. */
const NO_LIMIT = 18_446_744_073_709_551_615;

const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

export function stats(world: World, container: Container, call: Call) {
  const [endless, once] = [call.flag('stream', true), call.flag('one-shot')];
  if (endless && once) throw invalid('cannot have stream=true and one-shot=true');
  const outlet = new Outlet(call.signal);
  let before: ContainerStats | undefined;
  const tell = () => {
    if (!outlet.open) return;
    const now = sample(world, container);
    outlet.push(line({ ...now, precpu_stats: before?.cpu_stats ?? NO_CPU, preread: before?.read ?? NEVER }));
    before = now;
    if (!endless) return outlet.end();
    const cancel = world.clock.after(INTERVAL, tell);
    outlet.whenGone(cancel);
  };
  outlet.whenGone(container.onGone(() => outlet.end()));
  if (once || container.process === undefined) tell();
  else {
    // Rates need two samples.
    before = sample(world, container);
    outlet.whenGone(world.clock.after(INTERVAL, tell));
  }
  return stream(outlet.stream, 'application/json');
}

/** What a container uses now; only its name and ID when it does not run. */
export function sample(world: World, container: Container): ContainerStats {
  const bare = {
    name: `/${container.name}`,
    id: container.id,
    read: NEVER,
    preread: NEVER,
    pids_stats: {},
    blkio_stats: blkio(0, 0),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: NO_CPU,
    precpu_stats: NO_CPU,
    memory_stats: {},
  };
  if (!('pid' in container.state)) return bare;
  const { load } = container;
  const now = world.clock.now();
  const ran = Math.max(0, now - container.state.since) / 1000;
  const wave = waves(container.id);
  const frozen = container.state.is === 'paused';
  // The integral of the mean and its swing: usage never runs backwards.
  const used = Math.max(0, load.cpu[0] * ran + load.cpu[1] * wave.integral(ran));
  const nanos = Math.round((frozen ? load.cpu[0] * ran : used) * 1e9);
  const memory = Math.round(Math.max(2e5, load.memory[0] + load.memory[1] * wave.at(ran)));
  const { cpus, memory: all } = world.machine;
  const limit = container.host.Memory || all;
  const usage = Math.min(memory, limit);
  const interfaces = world.networks.of(container).filter((network) => network.subnet !== undefined);
  const traffic = {
    rx_bytes: Math.round(load.network[0] * ran),
    rx_packets: Math.round((load.network[0] * ran) / 900),
    rx_errors: 0,
    rx_dropped: 0,
    tx_bytes: Math.round(load.network[1] * ran),
    tx_packets: Math.round((load.network[1] * ran) / 900),
    tx_errors: 0,
    tx_dropped: 0,
  };
  const idle = Object.fromEntries(Object.keys(traffic).map((name) => [name, 0])) as typeof traffic;
  return {
    ...bare,
    read: rfc3339(world.now()),
    pids_stats: { current: load.processes, limit: container.host.PidsLimit || NO_LIMIT },
    blkio_stats: blkio(Math.round(load.disk[0] * ran), Math.round(load.disk[1] * ran)),
    cpu_stats: {
      cpu_usage: {
        total_usage: nanos,
        usage_in_kernelmode: Math.round(nanos * 0.3),
        usage_in_usermode: nanos - Math.round(nanos * 0.3),
      },
      system_cpu_usage: Math.round((now / 1000) * cpus * 100) * 1e7,
      online_cpus: cpus,
      throttling_data: NO_CPU.throttling_data,
    },
    memory_stats: {
      usage,
      limit,
      stats: { anon: Math.round(usage * 0.7), file: Math.round(usage * 0.25), inactive_file: Math.round(usage * 0.1) },
    },
    ...(interfaces.length > 0
      ? { networks: Object.fromEntries(interfaces.map((_, index) => [`eth${index}`, index === 0 ? traffic : idle])) }
      : {}),
  };
}

function blkio(read: number, written: number): ContainerStats['blkio_stats'] {
  const entry = (op: string, value: number) => ({ major: 254, minor: 0, op, value });
  return {
    io_service_bytes_recursive: read + written === 0 ? null : [entry('read', read), entry('write', written)],
    io_serviced_recursive: null,
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
}

/** A restless line between -1 and 1 that is a container's own and the same at the same time, and its integral. */
function waves(id: string): { at: (seconds: number) => number; integral: (seconds: number) => number } {
  const parts = [0, 1, 2].map((index) => {
    const byte = parseInt(id.slice(index * 2, index * 2 + 2), 16);
    return { speed: (0.05 + (byte % 16) / 40) * (index + 1), shift: byte / 40, weight: [0.5, 0.3, 0.2][index]! };
  });
  return {
    at: (t) => parts.reduce((sum, { speed, shift, weight }) => sum + weight * Math.sin(speed * t + shift), 0),
    integral: (t) =>
      parts.reduce(
        (sum, { speed, shift, weight }) => sum + (weight / speed) * (Math.cos(shift) - Math.cos(speed * t + shift)),
        0,
      ),
  };
}
