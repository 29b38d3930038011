import type { IpamConfig, NetworkConnectRequest, NetworkInspect } from '$lib/api/generated';
import { block, holds, ip, usable, type Family } from '../ip';
import { isBuiltin } from '../rows';

/** How a container is to be on a network, as it is typed; empty is the engine's choice. */
export type Wish = { container: string; ipv4: string; ipv6: string; aliases: string };

export type Problem =
  | { is: 'empty' | 'notAddress' | 'noSubnet' | 'outside' | 'unusable' | 'gateway' | 'off' }
  | { is: 'family'; family: Family }
  | { is: 'held'; by: string };

export type Problems = Partial<Record<keyof Wish, Problem>>;

/** On the engine's own networks neither addresses nor aliases can be chosen. */
export function canChoose(network: Pick<NetworkInspect, 'Name'>): boolean {
  return !isBuiltin(network);
}

export function problems(wish: Wish, network: NetworkInspect): Problems {
  const found: Problems = {};
  if (wish.container === '') found.container = { is: 'empty' };
  if (!canChoose(network)) return found;
  for (const [field, family] of [
    ['ipv4', 4],
    ['ipv6', 6],
  ] as const) {
    const typed = wish[field].trim();
    const problem = typed === '' ? undefined : addressProblem(typed, family, network);
    if (problem) found[field] = problem;
  }
  return found;
}

export function request(wish: Wish, network: NetworkInspect): NetworkConnectRequest {
  if (!canChoose(network)) return { Container: wish.container };
  const [ipv4, ipv6, aliases] = [wish.ipv4.trim(), wish.ipv6.trim(), aliasesOf(wish.aliases)];
  const chosen = { ...(ipv4 ? { IPv4Address: ipv4 } : {}), ...(ipv6 ? { IPv6Address: ipv6 } : {}) };
  const endpoint = {
    ...(ipv4 || ipv6 ? { IPAMConfig: chosen } : {}),
    ...(aliases.length > 0 ? { Aliases: aliases } : {}),
  };
  return { Container: wish.container, ...(Object.keys(endpoint).length > 0 ? { EndpointConfig: endpoint } : {}) };
}

/** Names with blanks or commas between them, each once. */
export function aliasesOf(typed: string): string[] {
  return [...new Set(typed.split(/[\s,，]+/).filter(Boolean))];
}

function addressProblem(typed: string, family: Family, network: NetworkInspect): Problem | undefined {
  const address = ip(typed);
  if (!address) return { is: 'notAddress' };
  if (address.family !== family) return { is: 'family', family };
  if (family === 6 && !network.EnableIPv6) return { is: 'off' };
  const pools = (network.IPAM.Config ?? []).flatMap((pool) => {
    const subnet = block(pool.Subnet ?? '');
    return subnet?.family === family ? [{ pool, subnet }] : [];
  });
  if (pools.length === 0) return { is: 'noSubnet' };
  const own = pools.find(({ subnet }) => holds(subnet, address));
  if (!own) return { is: 'outside' };
  if (!usable(own.subnet, address)) return { is: 'unusable' };
  if (isGateway(address.number, own.pool)) return { is: 'gateway' };
  const holder = Object.values(network.Containers ?? {}).find((other) => {
    const held = family === 4 ? other.IPv4Address : other.IPv6Address;
    return ip(held.split('/')[0] ?? '')?.number === address.number;
  });
  return holder && { is: 'held', by: holder.Name };
}

function isGateway(address: bigint, pool: IpamConfig): boolean {
  return ip(pool.Gateway ?? '')?.number === address;
}
