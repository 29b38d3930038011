import type { Forward, GuestStatus, Held, MachineStatus } from '$lib/api/generated/daemon';
import { dotted } from '../networks/addresses';
import type { World } from '../world';
import type { Settings } from './settings/settings';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** What Linux and the agent take for themselves. */
const OWN_MEMORY = 190 * MIB;
const OWN_DISK = 260 * MIB;

/** What the guest says about itself. */
export function guestStatus(world: World, machine: MachineStatus, settings: Settings): GuestStatus {
  const running = world.containers.all().filter((container) => container.countsAsRunning);
  const memory = Number(settings.get('memory_mib')) * MIB;
  const disk = Number(settings.get('disk_gib')) * GIB * 0.98;
  const used = onDisk(world);
  const usedMemory = OWN_MEMORY + running.reduce((sum, container) => sum + container.load.memory[0], 0);
  const cpus = Number(settings.get('cpus'));
  const busy = running.reduce((sum, container) => sum + container.load.cpu[0], 0);
  const load = (weight: number) => Math.round(Math.min(busy * weight, cpus * 2) * 100) / 100;
  const took = machine.start_milliseconds ?? 0;
  return {
    uptime_ms: Math.max(Math.round(world.clock.now() - (machine.started_at ?? 0) * 1000), 0),
    kernel: world.machine.kernel,
    memory_total: memory,
    memory_available: Math.max(memory - usedMemory, 64 * MIB),
    disk_total: Math.round(disk),
    disk_available: Math.max(Math.round(disk - used), 0),
    cpus,
    load: [load(1), load(0.9), load(0.8)],
    engine: machine.phase === 'running' || machine.phase === 'resetting' ? 'ready' : 'starting',
    forwards: forwards(world).length,
    boot: [
      { name: 'kernel', at_ms: Math.round(took * 0.22) },
      { name: 'root', at_ms: Math.round(took * 0.27) },
      { name: 'modules', at_ms: Math.round(took * 0.33) },
      { name: 'network', at_ms: Math.round(took * 0.41) },
      { name: 'metadata', at_ms: Math.round(took * 0.74) },
      { name: 'networks', at_ms: Math.round(took * 0.81) },
      { name: 'containers', at_ms: Math.round(took * 0.86) },
      { name: 'api', at_ms: Math.round(took * 0.9) },
    ],
  };
}

/** Bytes that all that is in a machine takes of its disk. */
export function onDisk(world: World): number {
  const images = [...world.images.all.values()].flatMap((image) => image.steps.flatMap((step) => step.layer ?? []));
  const layers = new Map(images.map((layer) => [layer.diffId, layer.size]));
  const volumes = [...world.volumes.all.values()].reduce((sum, volume) => sum + world.volumes.size(volume), 0);
  const builds = world.builds.all.reduce((sum, { size }) => sum + size, 0);
  return OWN_DISK + volumes + builds + [...layers.values()].reduce((sum, size) => sum + size, 0);
}

/** What of this computer the machine takes: what it uses, and a little that it has not given back. */
export function held(machine: MachineStatus, guest: GuestStatus | null): Held {
  const used = (total: number, available: number) => Math.round((total - available) * 1.1);
  return {
    memory: guest && used(guest.memory_total, guest.memory_available),
    disk: guest ? used(guest.disk_total, guest.disk_available) : machine.has_disk ? OWN_DISK : null,
  };
}

/** The ports that containers publish. */
export function forwards(world: World): Forward[] {
  return world.containers.all().flatMap((container) =>
    [...container.published].flatMap(([port, bindings]) => {
      const [target = '', proto = 'tcp'] = port.split('/');
      const ip = addressOf(world, container.id);
      return bindings.map((binding, at) => ({
        id: `${container.id.slice(0, 12)}-${port.replace('/', '-')}-${at}`,
        proto: proto as Forward['proto'],
        host_ip: binding.HostIp,
        host_port: Number(binding.HostPort),
        target_ip: ip,
        target_port: Number(target),
      }));
    }),
  );
}

function addressOf(world: World, id: string): string {
  for (const network of world.networks.all.values()) {
    const ip = network.endpoints.get(id)?.ip;
    if (ip !== undefined) return dotted(ip);
  }
  return '127.0.0.1';
}
