import type { ContainerSummary } from '$lib/api/generated';
import { nameOf } from '$lib/api/names';
import type { Forward } from '$lib/api/generated/daemon';
import { isHelper } from '$lib/live/helpers';

/** From here on a disk counts as nearly full. */
export const FULL = 0.9;

export function share(total: number, available: number): { used: number; share: number } {
  const used = Math.max(0, total - available);
  return { used, share: total > 0 ? used / total : 0 };
}

/** `0.42`, as `uptime` writes it. */
export function loadText(load: number): string {
  return load.toFixed(2);
}

export type Port = {
  id: string;
  here: string;
  /** What a browser can open; undefined for what is no TCP. */
  href: string | undefined;
  to: string;
  container: { id: string; name: string } | undefined;
};

/** Forwards as people see them, with the containers that published them as far as they are known. */
export function portsOf(forwards: readonly Forward[], containers: readonly ContainerSummary[]): Port[] {
  return forwards
    .filter((one) => one.host_ip !== '::' || !forwards.some((other) => isTwin(other, one)))
    .sort((one, other) => one.host_port - other.host_port || one.proto.localeCompare(other.proto))
    .map((forward) => ({
      id: forward.id,
      here: `${bracketed(forward.host_ip)}:${forward.host_port}/${forward.proto}`,
      href: forward.proto === 'tcp' ? `http://${reachable(forward.host_ip)}:${forward.host_port}` : undefined,
      to: `${bracketed(forward.target_ip)}:${forward.target_port}`,
      container: publisher(forward, containers),
    }));
}

/** A port on all addresses is two forwards, one a family: people see one. */
function isTwin(four: Forward, six: Forward): boolean {
  return (
    four.host_ip === '0.0.0.0' &&
    four.host_port === six.host_port &&
    four.proto === six.proto &&
    four.target_port === six.target_port
  );
}

function publisher(forward: Forward, containers: readonly ContainerSummary[]): Port['container'] {
  const found = containers.find(
    (one) =>
      !isHelper(one) &&
      (one.Ports ?? []).some((port) => port.PublicPort === forward.host_port && port.Type === forward.proto),
  );
  return found && { id: found.Id, name: nameOf(found) };
}

function bracketed(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}

/** Every address of this computer is its own, too. */
function reachable(ip: string): string {
  return ip === '0.0.0.0' || ip === '::' ? 'localhost' : bracketed(ip);
}
