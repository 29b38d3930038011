import type { HostConfig } from '$lib/api/generated';
import type { Changes } from './request';

/** Published ports as lines that a person edits: `8080:80`, `127.0.0.1:53:53/udp`, `80` for any free port. */
export function portLines(bindings: HostConfig['PortBindings']): string[] {
  return Object.entries(bindings ?? {}).flatMap(([key, bound]) => {
    const port = key.endsWith('/tcp') ? key.slice(0, -4) : key;
    return (bound ?? []).map(({ HostIp, HostPort }) => {
      const ip = HostIp === '' || HostIp === '0.0.0.0' ? '' : `${HostIp.includes(':') ? `[${HostIp}]` : HostIp}:`;
      if (ip !== '') return `${ip}${HostPort}:${port}`;
      return HostPort === '' ? port : `${HostPort}:${port}`;
    });
  });
}

const LINE = /^(?:(?:(\[[0-9a-fA-F:.]+\]|[\d.]+):)?(\d*):)?(\d+)(?:\/(tcp|udp|sctp))?$/;

/** What lines say; the first line that says nothing is told instead. */
export function parsePorts(lines: readonly string[]): NonNullable<Changes['ports']> | { bad: string } {
  const ports: NonNullable<Changes['ports']> = {};
  for (const line of lines.map((one) => one.trim()).filter((one) => one !== '')) {
    const found = LINE.exec(line);
    if (found === null) return { bad: line };
    const [, ip = '', host = '', port, protocol = 'tcp'] = found;
    if (![host || '1', port!].every((one) => Number(one) >= 1 && Number(one) <= 65535)) return { bad: line };
    (ports[`${Number(port)}/${protocol}`] ??= []).push({ HostIp: ip.replace(/^\[|\]$/g, ''), HostPort: host });
  }
  return ports;
}
