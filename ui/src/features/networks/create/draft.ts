import type { IpamConfigInput, NetworkCreateRequest, NetworkInspect } from '$lib/api/generated';
import { block, holds, ip, overlap, usable, type Block, type Family } from '../ip';
import { asRecord, blank, type Pair, twice } from './pairs';

/** One family's addresses as they are typed; empty is the engine's choice. */
export type PoolDraft = { subnet: string; range: string; gateway: string };

export type Draft = {
  name: string;
  driver: 'bridge' | 'macvlan';
  v4: PoolDraft;
  ipv6: boolean;
  v6: PoolDraft;
  /** The machine's interface that containers appear on; macvlan only. */
  parent: string;
  internal: boolean;
  attachable: boolean;
  options: Pair[];
  labels: Pair[];
};

export type Field = 'name' | 'parent' | 'options' | 'labels' | `${'v4' | 'v6'}.${keyof PoolDraft}`;

/** What is wrong with a field; the texts are in `i18n`. */
export type Problem =
  | {
      is:
        | 'empty'
        | 'reserved'
        | 'taken'
        | 'notAddress'
        | 'notBlock'
        | 'needsSubnet'
        | 'outside'
        | 'unusable'
        | 'loopback'
        | 'unnamed';
    }
  | { is: 'family'; family: Family }
  | { is: 'inexact'; better: string }
  | { is: 'overlaps'; network: string }
  | { is: 'twice'; name: string };

export type Problems = Partial<Record<Field, Problem>>;

const PARENT = 'parent';
const RESERVED = ['bridge', 'host', 'none', 'default'];

export function emptyDraft(): Draft {
  const pool = () => ({ subnet: '', range: '', gateway: '' });
  return {
    name: '',
    driver: 'bridge',
    v4: pool(),
    ipv6: false,
    v6: pool(),
    parent: '',
    internal: false,
    attachable: false,
    options: [],
    labels: [],
  };
}

/** All that the engine would refuse, as far as the pages can know it. */
export function problems(draft: Draft, networks: readonly NetworkInspect[]): Problems {
  const found: Problems = { ...poolProblems(draft.v4, 'v4', networks) };
  if (draft.ipv6) Object.assign(found, poolProblems(draft.v6, 'v6', networks));
  const name = draft.name.trim();
  if (name === '') found.name = { is: 'empty' };
  else if (RESERVED.includes(name)) found.name = { is: 'reserved' };
  else if (networks.some((network) => network.Name === name)) found.name = { is: 'taken' };
  if (draft.driver === 'macvlan' && draft.parent.trim() === 'lo') found.parent = { is: 'loopback' };
  for (const field of ['options', 'labels'] as const) {
    const again = twice(draft[field]);
    if (draft[field].some((pair) => pair.name.trim() === '' && !blank(pair))) found[field] = { is: 'unnamed' };
    else if (again !== undefined) found[field] = { is: 'twice', name: again };
  }
  return found;
}

/** The engine's request for a draft without problems. */
export function request(draft: Draft): NetworkCreateRequest {
  const pools = [pool(draft.v4), draft.ipv6 ? pool(draft.v6) : undefined].filter((one) => one !== undefined);
  const parent = draft.driver === 'macvlan' ? draft.parent.trim() : '';
  return {
    Name: draft.name.trim(),
    Driver: draft.driver,
    EnableIPv6: draft.ipv6,
    Internal: draft.internal,
    Attachable: draft.attachable,
    Options: { ...(parent ? { [PARENT]: parent } : {}), ...asRecord(draft.options) },
    Labels: asRecord(draft.labels),
    ...(pools.length > 0 ? { IPAM: { Driver: 'default', Config: pools } } : {}),
  };
}

function pool(draft: PoolDraft): IpamConfigInput | undefined {
  const subnet = draft.subnet.trim();
  if (subnet === '') return undefined;
  const [range, gateway] = [draft.range.trim(), draft.gateway.trim()];
  return { Subnet: subnet, ...(range ? { IPRange: range } : {}), ...(gateway ? { Gateway: gateway } : {}) };
}

function poolProblems(draft: PoolDraft, key: 'v4' | 'v6', networks: readonly NetworkInspect[]): Problems {
  const found: Problems = {};
  const family = key === 'v4' ? 4 : 6;
  const [subnet, range, gateway] = [draft.subnet.trim(), draft.range.trim(), draft.gateway.trim()];
  const outer = block(subnet);
  if (subnet !== '') {
    const problem = blockProblem(outer, family) ?? (outer && overlapProblem(outer, networks));
    if (problem) found[`${key}.subnet`] = problem;
  }
  if (range !== '') {
    const inner = block(range);
    const problem = subnet === '' ? { is: 'needsSubnet' as const } : blockProblem(inner, family);
    if (problem) found[`${key}.range`] = problem;
    else if (outer && inner && !holds(outer, inner)) found[`${key}.range`] = { is: 'outside' };
  }
  if (gateway !== '') {
    const address = ip(gateway);
    let problem: Problem | undefined;
    if (subnet === '') problem = { is: 'needsSubnet' };
    else if (!address) problem = { is: 'notAddress' };
    else if (address.family !== family) problem = { is: 'family', family };
    else if (outer && !holds(outer, address)) problem = { is: 'outside' };
    else if (outer && !usable(outer, address)) problem = { is: 'unusable' };
    if (problem) found[`${key}.gateway`] = problem;
  }
  return found;
}

function blockProblem(written: Block | undefined, family: Family): Problem | undefined {
  if (!written) return { is: 'notBlock' };
  if (written.family !== family) return { is: 'family', family };
  return written.exact ? undefined : { is: 'inexact', better: written.text };
}

function overlapProblem(subnet: Block, networks: readonly NetworkInspect[]): Problem | undefined {
  const taken = networks.find(
    (network) =>
      // A configuration has no addresses of its own, nor has a family that is off.
      !network.ConfigOnly &&
      (subnet.family === 4 ? network.EnableIPv4 !== false : network.EnableIPv6) &&
      (network.IPAM.Config ?? []).some(({ Subnet }) => {
        const other = block(Subnet ?? '');
        return other !== undefined && overlap(other, subnet);
      }),
  );
  return taken && { is: 'overlaps', network: taken.Name };
}
