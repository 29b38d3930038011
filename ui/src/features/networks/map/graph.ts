import type { PortView } from '$features/containers/ports';
import { row as containerRow, type Row as ContainerRow } from '$features/containers/rows';
import { nameOf } from '$lib/api/names';
import type { ContainerSummary } from '$lib/api/generated';
import { byName, inOrder, membersOf, type Kind, type NetworkRow } from '../rows';

/** A network on the map. */
export type Lane = {
  id: string;
  name: string;
  /** `nowhere`: no network at all. */
  kind: Kind | 'nowhere';
  subnets: string[];
  internal: boolean;
  count: number;
  created: string;
};

/** A container on the map. */
export type Box = {
  id: string;
  name: string;
  container: ContainerRow;
  /** The lane it is drawn in. */
  home: string;
  /** In the order of lanes; the first is its home's. Empty if it shares another's network. */
  endpoints: { lane: string; network: string; addresses: string[] }[];
  /** Published ones only. */
  ports: PortView[];
  /** Name of the container whose network it uses. */
  shares?: string;
};

export type Graph = { lanes: Lane[]; boxes: Box[] };

/** The lane of those that are on no network that the engine told of. */
export const NOWHERE = 'nowhere';

const SHARES = 'container:';

/** What the map shows: all networks but those that nothing can be on, and `host` and `none` only if somebody is there. */
export function graph(rows: readonly NetworkRow[], containers: readonly ContainerSummary[]): Graph {
  const sorted = [...rows].filter(({ configOnly }) => !configOnly).sort(inOrder);
  const lanes: Lane[] = sorted
    .filter((row) => row.members.length > 0 || (row.kind !== 'host' && row.kind !== 'none'))
    .map((row) => ({
      id: row.id,
      name: row.name,
      kind: row.kind,
      subnets: row.subnets,
      internal: row.internal,
      count: row.members.length,
      created: row.created,
    }));
  const plain = containers.map((container) => boxOf(container, lanes, containers));
  const homes = new Map(plain.map((box) => [box.name, box.home]));
  const boxes = plain.map((box) =>
    box.shares === undefined ? box : { ...box, home: homes.get(box.shares) ?? NOWHERE },
  );
  boxes.sort((one, other) => byName(rank(one), rank(other)));
  const lost = boxes.filter(({ home }) => home === NOWHERE).length;
  if (lost > 0)
    lanes.push({ id: NOWHERE, name: '', kind: 'nowhere', subnets: [], internal: false, count: lost, created: '' });
  return { lanes, boxes };
}

function boxOf(container: ContainerSummary, lanes: readonly Lane[], all: readonly ContainerSummary[]): Box {
  const row = containerRow(container);
  const members = membersOf([container]);
  const endpoints = lanes.flatMap((lane) =>
    members({ Id: lane.id, Name: lane.name }).map((member) => ({
      lane: lane.id,
      network: lane.name,
      addresses: [member.ipv4, member.ipv6].filter(Boolean).map(bare),
    })),
  );
  const shares = sharesWith(container, all);
  return {
    id: container.Id,
    name: row.name,
    container: row,
    home: endpoints[0]?.lane ?? NOWHERE,
    endpoints,
    ports: row.ports.filter(({ bound }) => bound !== undefined),
    ...(shares === undefined ? {} : { shares }),
  };
}

// `container:` and the name or ID, as it was given.
function sharesWith(container: ContainerSummary, all: readonly ContainerSummary[]): string | undefined {
  const mode = container.HostConfig.NetworkMode ?? '';
  if (!mode.startsWith(SHARES)) return undefined;
  const given = mode.slice(SHARES.length);
  const other = all.find((one) => one.Id.startsWith(given) || one.Names.includes(`/${given}`));
  return other ? nameOf(other) : given;
}

function bare(address: string): string {
  return address.replace(/\/\d+$/, '');
}

// Who shares a network comes right after its owner.
function rank(box: Box): { name: string; id: string } {
  return { name: box.shares ?? box.name, id: `${box.shares === undefined ? 0 : 1}${box.name} ${box.id}` };
}
