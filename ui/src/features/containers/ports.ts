import type { Port } from '$lib/api/generated';

/** One published or exposed port as it is shown. */
export type PortView = {
  /** `8080:80`, `53:53/udp`, `80/tcp` when it is not published. */
  text: string;
  /** Where a browser finds it; what is not TCP, or not published, has none. */
  href?: string;
  /** The address on this computer that it is bound to, as the engine gives it. */
  bound?: string;
};

const ANY_V4 = ['', '0.0.0.0'];
const ANY_V6 = '::';

/**
 * The ports of one container in order: published ones first, each once though the engine tells it for IPv4 and for IPv6, each as an
 * address that works on this computer.
 */
export function portViews(ports: readonly Port[]): PortView[] {
  const published = ports.filter((port) => port.PublicPort);
  const exposed = ports.filter((port) => !port.PublicPort && !published.some((other) => samePrivate(port, other)));
  const once = published.filter((port) => !(port.IP === ANY_V6 && published.some((other) => coversV6(other, port))));
  return [...once.sort(inOrder).map(publishedView), ...unique(exposed).sort(inOrder).map(exposedView)];
}

function publishedView(port: Port): PortView {
  const anywhere = ANY_V4.includes(port.IP ?? '') || port.IP === ANY_V6;
  const bound = port.IP && port.IP !== '0.0.0.0' ? port.IP : '0.0.0.0';
  const protocol = port.Type === 'tcp' ? '' : `/${port.Type}`;
  const host = anywhere ? '' : `${bracketed(bound)}:`;
  const view: PortView = { text: `${host}${port.PublicPort}:${port.PrivatePort}${protocol}`, bound };
  return port.Type === 'tcp' ? { ...view, href: address(port) } : view;
}

function exposedView(port: Port): PortView {
  return { text: `${port.PrivatePort}/${port.Type}` };
}

function address(port: Port): string {
  const scheme = port.PrivatePort === 443 ? 'https' : 'http';
  let host = port.IP ?? '';
  if (ANY_V4.includes(host)) host = '127.0.0.1';
  else if (host === ANY_V6) host = '::1';
  return `${scheme}://${bracketed(host)}:${port.PublicPort}`;
}

function bracketed(ip: string): string {
  return ip.includes(':') ? `[${ip}]` : ip;
}

function samePrivate(one: Port, other: Port): boolean {
  return one.PrivatePort === other.PrivatePort && one.Type === other.Type;
}

function coversV6(v4: Port, v6: Port): boolean {
  return ANY_V4.includes(v4.IP ?? '') && v4.PublicPort === v6.PublicPort && samePrivate(v4, v6);
}

function unique(ports: Port[]): Port[] {
  return ports.filter((port, at) => ports.findIndex((other) => samePrivate(other, port)) === at);
}

function inOrder(one: Port, other: Port): number {
  return (
    one.PrivatePort - other.PrivatePort ||
    (one.PublicPort ?? 0) - (other.PublicPort ?? 0) ||
    one.Type.localeCompare(other.Type) ||
    (one.IP ?? '').localeCompare(other.IP ?? '')
  );
}
