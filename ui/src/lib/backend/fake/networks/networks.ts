import type { EndpointSettings, NetworkCreateRequest, NetworkInspect } from '$lib/api/generated';
import type { Container } from '../containers/container';
import { conflict, forbidden, invalid, notFound, system } from '../core/failure';
import { rfc3339 } from '../core/time';
import type { World } from '../world';
import { checkOptions } from './options';
import { type Subnet, address, dotted, last, overlap, pools, subnet, written } from './addresses';

export interface Network {
  id: string;
  name: string;
  created: number;
  driver: string;
  internal: boolean;
  attachable: boolean;
  ipv6: boolean;
  labels: Record<string, string>;
  options: Record<string, string>;
  subnet?: Subnet;
  gateway?: number;
  /** A gateway that the engine chose for a subnet of the user's shows at the containers only. */
  gatewayTold: boolean;
  ipRange?: Subnet;
  /** Of the containers that run, by their IDs. */
  endpoints: Map<string, Endpoint>;
}

/** A running container's place on a network. */
export interface Endpoint {
  id: string;
  name: string;
  ip?: number;
  mac: string;
}

const PREDEFINED = ['bridge', 'host', 'none'];

export class Networks {
  readonly all = new Map<string, Network>();

  constructor(readonly world: World) {
    const bridge = this.#add('bridge', 'bridge', pools()[0]);
    bridge.options = {
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': 'true',
      'com.docker.network.bridge.enable_ip_masquerade': 'true',
      'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
      'com.docker.network.bridge.name': 'docker0',
      'com.docker.network.driver.mtu': '1500',
    };
    this.#add('host', 'host');
    this.#add('none', 'null');
  }

  #add(name: string, driver: string, pool?: Subnet): Network {
    const network: Network = {
      id: this.world.random.hex(64),
      name,
      created: this.world.now(),
      driver,
      internal: false,
      attachable: false,
      ipv6: false,
      labels: {},
      options: {},
      subnet: pool,
      gateway: pool === undefined ? undefined : pool.first + 1,
      gatewayTold: true,
      endpoints: new Map(),
    };
    this.all.set(network.id, network);
    return network;
  }

  isPredefined(network: Network): boolean {
    return PREDEFINED.includes(network.name);
  }

  /** By name, ID or the beginning of one. */
  find(name: string): Network {
    const list = [...this.all.values()];
    const exact = list.find((network) => network.name === name) ?? this.all.get(name);
    if (exact !== undefined) return exact;
    const found = name === '' ? [] : list.filter((network) => network.id.startsWith(name));
    if (found.length > 1) {
      throw invalid(`network ${name} is ambiguous (${found.length} matches found based on ID prefix)`);
    }
    if (found[0] === undefined) throw notFound(`network ${name} not found`);
    return found[0];
  }

  create(wish: NetworkCreateRequest): Network {
    const name = wish.Name ?? '';
    if (name.trim() === '') throw invalid('invalid name: name is empty');
    if ([...PREDEFINED, 'default'].includes(name)) {
      throw forbidden(`operation is not permitted on predefined ${name} network`);
    }
    if (wish.Ingress) throw invalid('Ingress network can only be global scope network');
    if ([...this.all.values()].some((network) => network.name === name)) {
      throw conflict(`network with name ${name} already exists`);
    }
    const driver = wish.Driver || 'bridge';
    if (['host', 'null'].includes(driver)) throw forbidden(`only one instance of "${driver}" network is allowed`);
    if (!['bridge', 'macvlan', 'ipvlan'].includes(driver)) throw notFound(`plugin "${driver}" not found`);
    if (wish.EnableIPv4 === false && !wish.EnableIPv6) throw invalid('IPv4 or IPv6 must be enabled');
    checkOptions(wish);
    const asked = this.#asked(wish);
    const network = this.#add(name, driver, asked?.subnet ?? this.#free());
    network.labels = wish.Labels ?? {};
    network.options = wish.Options ?? {};
    network.internal = wish.Internal ?? false;
    network.attachable = wish.Attachable ?? false;
    network.ipv6 = wish.EnableIPv6 ?? false;
    network.ipRange = asked?.range;
    network.gateway = asked?.gateway ?? network.gateway;
    network.gatewayTold = asked === undefined || asked.gateway !== undefined;
    this.emit('create', network);
    return network;
  }

  #asked(wish: NetworkCreateRequest): { subnet: Subnet; range?: Subnet; gateway?: number } | undefined {
    const config = (wish.IPAM?.Config ?? []).filter((pool) => pool.Subnet && !pool.Subnet.includes(':'));
    const range = (kind: string, text: string) => {
      const parsed = subnet(text);
      if (parsed === undefined)
        throw invalid(`invalid network config:\ninvalid ${kind} ${text}: invalid CIDR block notation`);
      return parsed;
    };
    if (config.length > 1) throw forbidden("bridge driver doesn't support multiple subnets");
    const [pool] = config;
    if (pool === undefined) return undefined;
    const wanted = range('subnet', pool.Subnet!);
    const gateway = pool.Gateway ? address(pool.Gateway) : undefined;
    if (pool.Gateway && gateway === undefined) {
      throw invalid(`invalid network config:\ninvalid gateway ${pool.Gateway}: invalid address`);
    }
    if (this.#taken().some((other) => overlap(other, wanted))) {
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    }
    return { subnet: wanted, gateway, range: pool.IPRange ? range('ip-range', pool.IPRange) : undefined };
  }

  #taken(): Subnet[] {
    return [...this.all.values()].flatMap((network) => network.subnet ?? []);
  }

  #free(): Subnet {
    const taken = this.#taken();
    const free = pools().find((pool) => !taken.some((other) => overlap(other, pool)));
    if (free === undefined) throw notFound('all predefined address pools have been fully subnetted');
    return free;
  }

  remove(name: string): void {
    const network = this.find(name);
    if (this.isPredefined(network)) throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
    const active = [...network.endpoints.values()];
    if (active.length > 0) {
      const list = active.map((endpoint) => `name:"${endpoint.name}" id:"${endpoint.id.slice(0, 12)}"`).join(', ');
      throw forbidden(`error while removing network: network ${network.name} has active endpoints (${list})`);
    }
    this.all.delete(network.id);
    this.emit('destroy', network);
  }

  /** Puts a running container on a network. */
  join(network: Network, container: Container, wish: EndpointSettings): Endpoint {
    const bytes = Array.from({ length: 6 }, () => this.world.random.between(0, 255));
    bytes[0] = (bytes[0]! & 0xfc) | 0x02;
    const asked = wish.IPAMConfig?.IPv4Address;
    const endpoint: Endpoint = {
      id: this.world.random.hex(64),
      name: container.name,
      ip: network.subnet === undefined ? undefined : this.#address(network, asked ? address(asked) : undefined),
      mac:
        network.subnet === undefined
          ? ''
          : wish.MacAddress || bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    };
    network.endpoints.set(container.id, endpoint);
    this.emit('connect', network, container.id);
    return endpoint;
  }

  #address(network: Network, wanted: number | undefined): number {
    const used = new Set([...network.endpoints.values()].map((endpoint) => endpoint.ip));
    if (wanted !== undefined) {
      if (used.has(wanted) || wanted === network.gateway) throw forbidden('Address already in use');
      return wanted;
    }
    const range = network.ipRange ?? network.subnet!;
    for (let ip = range.first + 1; ip < last(range); ip++) if (!used.has(ip) && ip !== network.gateway) return ip;
    throw system(`no available IPv4 addresses on this network's address pools: ${network.name} (${network.id})`);
  }

  /** Those that a running container is on. */
  of(container: Container): Network[] {
    return [...this.all.values()].filter((network) => network.endpoints.has(container.id));
  }

  leave(network: Network, container: Container): void {
    if (network.endpoints.delete(container.id)) this.emit('disconnect', network, container.id);
  }

  /** What a container's inspection and the lists show of one network of its. */
  settings(configured: EndpointSettings, name: string, container: Container): EndpointSettings {
    const network = [...this.all.values()].find((network) => network.name === name || network.id === name);
    const endpoint = network?.endpoints.get(container.id);
    if (network === undefined || endpoint === undefined) return { ...configured, NetworkID: network?.id ?? '' };
    const names = [container.name, ...(configured.Aliases ?? []), container.id.slice(0, 12)];
    const isDefault = this.isPredefined(network);
    return {
      ...configured,
      NetworkID: network.id,
      EndpointID: endpoint.id,
      Gateway: network.gateway === undefined ? '' : dotted(network.gateway),
      IPAddress: endpoint.ip === undefined ? '' : dotted(endpoint.ip),
      IPPrefixLen: network.subnet?.prefix ?? 0,
      MacAddress: endpoint.mac,
      DNSNames: isDefault ? null : [...new Set(names)],
    };
  }

  describe(network: Network, containers: boolean): NetworkInspect {
    const members = [...network.endpoints].map(([id, endpoint]) => [
      id,
      {
        Name: endpoint.name,
        EndpointID: endpoint.id,
        MacAddress: endpoint.mac,
        IPv4Address: endpoint.ip === undefined ? '' : `${dotted(endpoint.ip)}/${network.subnet!.prefix}`,
        IPv6Address: '',
      },
    ]);
    const gateway = network.gatewayTold && network.gateway !== undefined ? { Gateway: dotted(network.gateway) } : {};
    const range = network.ipRange === undefined ? {} : { IPRange: written(network.ipRange) };
    const config = network.subnet === undefined ? null : [{ Subnet: written(network.subnet), ...range, ...gateway }];
    return {
      Name: network.name,
      Id: network.id,
      Created: rfc3339(network.created),
      Scope: 'local',
      Driver: network.driver,
      EnableIPv4: true,
      EnableIPv6: network.ipv6,
      IPAM: { Driver: 'default', Options: null, Config: config },
      Internal: network.internal,
      Attachable: network.attachable,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Containers: containers ? Object.fromEntries(members) : {},
      Options: network.options,
      Labels: network.labels,
    };
  }

  emit(action: string, network: Network, container?: string): void {
    const attributes = { name: network.name, type: network.driver, ...(container === undefined ? {} : { container }) };
    this.world.bus.emit('network', action, network.id, attributes);
  }
}
