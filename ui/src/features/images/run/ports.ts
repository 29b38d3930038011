/** Ports of the host: how they are written, and which ones are taken. */
import type { ContainerSummary } from '$lib/api/generated';
import { nameOf } from '$lib/api/names';

export interface Host {
  /** Empty: all addresses. */
  address: string;
  /** As the engine takes it: empty for any free one. */
  ports: string;
  /** `undefined` for any free one. */
  range: [first: number, last: number] | undefined;
}

const RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4}$/;
const IPV6 = /^(?=.*:)[0-9a-fA-F:.]+$/;

/** `8080`, `127.0.0.1:8080`, `[::1]:8000-8010`, `127.0.0.1:`; `undefined` for what is none of these. */
export function hostOf(text: string): Host | undefined {
  const cut = /^(?:\[(?<six>[^\]]*)\]|(?<four>[^:[\]]*)):(?<rest>.*)$/.exec(text.trim());
  const address = cut?.groups?.six ?? cut?.groups?.four ?? '';
  const ports = cut?.groups?.rest ?? text.trim();
  const isAddress = cut?.groups?.six !== undefined ? IPV6.test(address) : address === '' || IPV4.test(address);
  if (!isAddress) return undefined;
  if (ports === '' || ports === '0') return { address, ports: '', range: undefined };
  const range = rangeOf(ports);
  return range && { address, ports, range };
}

/** `80` or `80-90`. */
export function rangeOf(text: string): [number, number] | undefined {
  const found = RANGE.exec(text);
  if (found === null) return undefined;
  const first = Number(found[1]);
  const last = Number(found[2] ?? found[1]);
  return first >= 1 && last <= 65535 && first <= last ? [first, last] : undefined;
}

export interface Taken {
  port: number;
  protocol: string;
  /** Empty: all addresses. */
  address: string;
  /** The container's name. */
  by: string;
}

/** The ports that containers hold. What other programs hold only the engine finds out. */
export function taken(containers: readonly ContainerSummary[]): Taken[] {
  return containers.flatMap((container) =>
    container.Ports.filter((port) => port.PublicPort !== undefined).map((port) => ({
      port: port.PublicPort!,
      protocol: port.Type,
      address: every(port.IP ?? '') ? '' : port.IP!,
      by: nameOf(container),
    })),
  );
}

/** Who holds a port that `host` needs. A range is in the way only of itself: the engine picks a free one of it. */
export function holder(host: Host, protocol: string, of: readonly Taken[]): Taken | undefined {
  if (host.range === undefined) return undefined;
  const [first, last] = host.range;
  let found: Taken | undefined;
  for (let port = first; port <= last; port += 1) {
    const by = of.find((one) => one.port === port && one.protocol === protocol && meet(one.address, host.address));
    if (by === undefined) return undefined;
    found ??= by;
  }
  return found;
}

function meet(a: string, b: string): boolean {
  return every(a) || every(b) || a === b;
}

function every(address: string): boolean {
  return address === '' || address === '0.0.0.0' || address === '::';
}

/** A port of the host for one of the container: the same where programs may take it, and the next that no container holds. */
export function suggest(port: number, protocol: string, of: readonly Taken[]): string {
  const held = new Set(of.filter((one) => one.protocol === protocol).map((one) => one.port));
  for (let wish = port < 1024 ? port + 8000 : port; wish <= 65535; wish += 1) if (!held.has(wish)) return String(wish);
  return '';
}
