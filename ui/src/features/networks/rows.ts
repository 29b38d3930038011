import { isAlive, LABEL, row as containerRow, type Row as ContainerRow } from '$features/containers/rows';
import { nameOf } from '$lib/api/names';
import type { ContainerSummary, EndpointSettings, NetworkInspect } from '$lib/api/generated';

/** What kind of road a network is, for people; `other` is a driver that we do not know. */
export type Kind = 'bridge' | 'host' | 'none' | 'lan' | 'other';

export type NetworkRow = {
  id: string;
  name: string;
  driver: string;
  kind: Kind;
  subnets: string[];
  gateways: string[];
  internal: boolean;
  attachable: boolean;
  ipv6: boolean;
  /** A template for other networks: no container can be on it. */
  configOnly: boolean;
  /** The engine's own; cannot be removed. */
  builtin: boolean;
  /** The Compose project that made it. */
  project?: string;
  members: Member[];
  created: string;
};

/** One container's place on one network, from a list of containers. */
export type Member = {
  id: string;
  name: string;
  container: ContainerRow;
  /** With an address only while it runs. */
  ipv4: string;
  ipv6: string;
  mac: string;
  aliases: string[];
};

const BUILTIN = ['bridge', 'host', 'none'];

export function networkRows(
  networks: readonly NetworkInspect[],
  containers: readonly ContainerSummary[],
): NetworkRow[] {
  const members = membersOf(containers);
  return networks.map((network) => networkRow(network, members)).sort(inOrder);
}

/** Those of the person first, by name; the engine's own last. */
export function inOrder(one: NetworkRow, other: NetworkRow): number {
  if (one.builtin !== other.builtin) return one.builtin ? 1 : -1;
  return byName(one, other);
}

/** By name as people sort names: `web-2` before `web-10`. The same in every language. */
export function byName(one: { name: string; id: string }, other: { name: string; id: string }): number {
  return NAMES.compare(one.name, other.name) || (one.id < other.id ? -1 : 1);
}

const NAMES = new Intl.Collator('en', { numeric: true });

export function kindOf(driver: string): Kind {
  if (driver === 'bridge' || driver === 'host') return driver;
  if (driver === 'null') return 'none';
  return driver === 'macvlan' || driver === 'ipvlan' ? 'lan' : 'other';
}

export function isBuiltin(network: { Name: string }): boolean {
  return BUILTIN.includes(network.Name);
}

function networkRow(network: NetworkInspect, members: (network: NetworkInspect) => Member[]): NetworkRow {
  const pools = network.IPAM.Config ?? [];
  return {
    id: network.Id,
    name: network.Name,
    driver: network.Driver,
    kind: kindOf(network.Driver),
    subnets: pools.flatMap((pool) => pool.Subnet || []),
    gateways: pools.flatMap((pool) => pool.Gateway || []),
    internal: network.Internal,
    attachable: network.Attachable,
    ipv6: network.EnableIPv6,
    configOnly: network.ConfigOnly,
    builtin: isBuiltin(network),
    project: network.Labels?.[LABEL.project] || undefined,
    members: members(network),
    created: network.Created,
  };
}

/** Who is on a network. A container that never ran knows its networks by name only. */
export function membersOf(
  containers: readonly ContainerSummary[],
): (network: { Id: string; Name: string }) => Member[] {
  const byNetwork = new Map<string, Member[]>();
  for (const container of containers)
    for (const [name, endpoint] of Object.entries(container.NetworkSettings?.Networks ?? {})) {
      const key = endpoint.NetworkID || `name ${name}`;
      const members = byNetwork.get(key) ?? [];
      byNetwork.set(key, [...members, member(container, endpoint)]);
    }
  return ({ Id, Name }) => [...(byNetwork.get(Id) ?? []), ...(byNetwork.get(`name ${Name}`) ?? [])].sort(byName);
}

function member(container: ContainerSummary, endpoint: EndpointSettings): Member {
  return {
    id: container.Id,
    name: nameOf(container),
    container: containerRow(container),
    ipv4: withBits(endpoint.IPAddress, endpoint.IPPrefixLen),
    ipv6: withBits(endpoint.GlobalIPv6Address, endpoint.GlobalIPv6PrefixLen),
    mac: endpoint.MacAddress,
    aliases: endpoint.Aliases ?? [],
  };
}

function withBits(address: string, bits: number): string {
  return address && bits ? `${address}/${bits}` : address;
}

/** Rows whose name, driver, address or container has every word that was typed. */
export function matching(rows: readonly NetworkRow[], typed: string): NetworkRow[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (row: NetworkRow) =>
    [
      row.name,
      row.driver,
      row.id,
      row.project ?? '',
      ...row.subnets,
      ...row.gateways,
      ...row.members.map(({ name }) => name),
    ]
      .join('\n')
      .toLowerCase();
  return words.length === 0 ? [...rows] : rows.filter((row) => words.every((word) => text(row).includes(word)));
}

/** Its running containers: a container that does not run has no place on a network, and keeps no one from removing it. */
export function running(row: Pick<NetworkRow, 'members'>): Member[] {
  return row.members.filter(({ container }) => isAlive(container.state));
}
