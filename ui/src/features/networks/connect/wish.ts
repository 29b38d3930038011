import type { ContainerSummary, IpamConfig, NetworkConnectRequest, NetworkInspect } from '$lib/api/generated';
import { block, holds, ip, usable, type Family } from '../ip';
import { byName, isBuiltin, type Member } from '../rows';
import { isAlive, row, type Row } from '$features/containers/rows';

/** How a container is to be on a network, as it is typed; empty is the engine's choice. */
export type Wish = { container: string; ipv4: string; ipv6: string; aliases: string };

export type Problem =
  | { is: 'noContainer' | 'notAddress' | 'noSubnet' | 'outside' | 'unusable' | 'isGateway' | 'off' }
  | { is: 'family'; family: Family }
  | { is: 'held'; by: string };

export type Problems = Partial<Record<keyof Wish, Problem>>;

/** Who has an address of the network already. */
export type Holder = Pick<Member, 'name' | 'ipv4' | 'ipv6'>;

/** Those that can be put on a network: not on it yet, with a network of their own. Running ones first. */
export function candidates(containers: readonly ContainerSummary[], members: readonly Pick<Member, 'id'>[]): Row[] {
  const there = new Set(members.map(({ id }) => id));
  return containers
    .filter(({ Id, HostConfig }) => !there.has(Id) && !/^(container:|host$)/.test(HostConfig.NetworkMode ?? ''))
    .map(row)
    .sort((one, other) => Number(isAlive(other.state)) - Number(isAlive(one.state)) || byName(one, other));
}

/** On the engine's own networks neither addresses nor aliases can be chosen. */
export function canChoose(network: Pick<NetworkInspect, 'Name'>): boolean {
  return !isBuiltin(network);
}

export function problems(wish: Wish, network: NetworkInspect, members: readonly Holder[]): Problems {
  const found: Problems = {};
  if (wish.container === '') found.container = { is: 'noContainer' };
  if (!canChoose(network)) return found;
  for (const [field, family] of [
    ['ipv4', 4],
    ['ipv6', 6],
  ] as const) {
    const typed = wish[field].trim();
    const problem = typed === '' ? undefined : addressProblem(typed, family, network, members);
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

function addressProblem(
  typed: string,
  family: Family,
  network: NetworkInspect,
  members: readonly Holder[],
): Problem | undefined {
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
  if (isGateway(address.number, own.pool)) return { is: 'isGateway' };
  const holder = members.find((other) => {
    const held = family === 4 ? other.ipv4 : other.ipv6;
    return ip(held.split('/')[0] ?? '')?.number === address.number;
  });
  return holder && { is: 'held', by: holder.name };
}

function isGateway(address: bigint, pool: IpamConfig): boolean {
  return ip(pool.Gateway ?? '')?.number === address;
}
