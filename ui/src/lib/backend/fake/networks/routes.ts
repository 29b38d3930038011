import type { NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest } from '$lib/api/generated';
import { check } from '../core/call';
import { forbidden, invalid, notFound, system } from '../core/failure';
import { type Filters, nameMatches } from '../core/filters';
import { created, empty, json } from '../core/reply';
import type { Routes } from '../core/router';
import { parseBool } from '../core/strconv';
import type { Container } from '../containers/container';
import { endpointSettings } from '../containers/create';
import type { World } from '../world';
import type { Network } from './networks';

const list: Routes[string] = ({ networks }, call) => {
  const filters = call.filters();
  filters.only(['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']);
  const dangling = isDangling(filters);
  for (const wanted of filters.values('type')) {
    if (!['custom', 'builtin'].includes(wanted)) throw invalid(`invalid filter: 'type'='${wanted}'`);
  }
  const chosen = [...networks.all.values()].filter((network) => {
    const predefined = networks.isPredefined(network);
    return (
      filters.accepts('driver', network.driver) &&
      filters.accepts('type', predefined ? 'builtin' : 'custom') &&
      filters.accepts('scope', 'local') &&
      filters.any('name', (wanted) => nameMatches(wanted, network.name)) &&
      filters.any('id', (wanted) => network.id.startsWith(wanted)) &&
      filters.labels(network.labels) &&
      (dangling === undefined || dangling === (!predefined && network.endpoints.size === 0))
    );
  });
  const sorted = chosen.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return json(sorted.map((network) => networks.describe(network, false)));
};

function isDangling(filters: Filters): boolean | undefined {
  const values = filters.values('dangling');
  if (values.length > 1) throw invalid('got more than one value for filter key "dangling"');
  const [value] = values;
  if (value === undefined) return undefined;
  if (['1', 'true'].includes(value)) return true;
  if (['0', 'false'].includes(value)) return false;
  throw invalid(`invalid value for filter 'dangling', must be "true" (or "1"), or "false" (or "0")`);
}

export const routes: Routes = {
  'GET /networks': list,
  'GET /networks/': list,

  'POST /networks/create': async ({ networks }, call) => {
    const wish = await call.json<NetworkCreateRequest>();
    check(wish, { Name: 'string', Driver: 'string', Internal: 'boolean', Labels: 'map', Options: 'map', IPAM: 'map' });
    return created({ Id: networks.create(wish).id, Warning: '' });
  },

  'POST /networks/prune': (world, call) => {
    const { networks, bus, clock } = world;
    const filters = call.filters();
    filters.only(['label', 'label!', 'until']);
    const until = filters.until(clock.now());
    const gone = [...networks.all.values()].filter(
      (network) =>
        !networks.isPredefined(network) &&
        network.endpoints.size === 0 &&
        filters.prunable(network.labels) &&
        (until === undefined || network.created < until),
    );
    for (const network of gone) networks.remove(network.id);
    bus.emit('network', 'prune', '', { reclaimed: '0' });
    return json({ NetworksDeleted: gone.length > 0 ? gone.map((network) => network.name) : null });
  },

  'POST /networks/{name}/connect': async (world, call) => {
    const wish = await call.json<NetworkConnectRequest>();
    const container = world.containers.find(named(wish));
    const network = world.networks.find(call.name);
    if (container.host.NetworkMode.startsWith('container:')) throw invalid(SHARED);
    joinable(world, container, network);
    const settings = endpointSettings(wish.EndpointConfig ?? undefined);
    if (container.process !== undefined) world.networks.join(network, container, settings);
    container.endpoints.set(network.name, settings);
    return empty(200);
  },

  'POST /networks/{name}/disconnect': async ({ containers, networks }, call) => {
    const wish = await call.json<NetworkDisconnectRequest>();
    const name = named(wish);
    if (wish.Force && !containers.has(name)) {
      networks.find(call.name);
      throw notFound(`endpoint ${name} not found`);
    }
    const container = containers.find(name);
    const network = networks.find(call.name);
    if (container.process !== undefined && network.name === 'host' && container.host.NetworkMode === 'host') {
      throw invalid('cannot disconnect container from host network - container was created in host network mode');
    }
    if (!container.endpoints.has(network.name)) {
      const which = container.process === undefined ? `the network ${network.name}` : `network ${network.name}`;
      throw system(`container ${container.id} is not connected to ${which}`);
    }
    networks.leave(network, container);
    container.endpoints.delete(network.name);
    return empty(200);
  },

  'GET /networks/{name}': ({ networks }, call) => {
    const verbose = call.filled('verbose');
    if (verbose !== undefined) {
      parseBool(verbose, (words) => invalid(`invalid value for verbose: ${verbose}: ${words}`));
    }
    if ((call.filled('scope') ?? 'local') !== 'local') throw notFound(`network ${call.name} not found`);
    return json(networks.describe(networks.find(call.name), true));
  },

  'DELETE /networks/{name}': ({ networks }, call) => {
    networks.remove(call.name);
    return empty(204);
  },
};

function named({ Container: name }: { Container?: string }): string {
  if (!name) throw invalid('invalid name or ID supplied: ""');
  return name;
}

/** Refuses what a container cannot be on beside what it is on. */
function joinable(world: World, container: Container, network: Network): void {
  if (network.driver === 'host' && container.host.NetworkMode !== 'host') throw invalid(HOST_MODE);
  if (container.endpoints.has(network.name)) {
    // Saying it once more to a stopped container is no error; what was said last counts.
    if (container.process === undefined) return;
    throw forbidden(`endpoint with name ${container.name} already exists in network ${network.name}`);
  }
  for (const name of container.endpoints.keys()) {
    const other = [...world.networks.all.values()].find((other) => other.name === name);
    if (other === undefined) continue;
    if ([network.driver, other.driver].includes('host')) throw invalid(SHARED);
    if ([network.driver, other.driver].includes('null')) throw invalid(NONE_MODE);
  }
}

const SHARED =
  'container sharing network namespace with another container or host cannot be connected to any other network';
const HOST_MODE = 'cannot connect container to host network - container must be created in host network mode';
const NONE_MODE = 'container cannot be connected to multiple networks with one of the networks in private (none) mode';
