import type { VolumeCreateRequest } from '$lib/api/generated';
import { check } from '../core/call';
import { Failure, invalid } from '../core/failure';
import { type Filters, nameMatches } from '../core/filters';
import { created, empty, json } from '../core/reply';
import type { Routes } from '../core/router';
import { parseBool } from '../core/strconv';

export const routes: Routes = {
  'GET /volumes': ({ volumes }, call) => {
    const filters = call.filters();
    filters.only(['dangling', 'name', 'driver', 'label']);
    const dangling = filters.flag('dangling');
    const chosen = [...volumes.all.values()].filter(
      (volume) =>
        filters.any('name', (wanted) => nameMatches(wanted, volume.name)) &&
        filters.accepts('driver', 'local') &&
        filters.labels(volume.labels) &&
        (dangling === undefined || dangling === (volumes.holders(volume.name).length === 0)),
    );
    const sorted = chosen.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return json({ Volumes: sorted.map((volume) => volumes.describe(volume)), Warnings: null });
  },

  'POST /volumes/create': async ({ volumes }, call) => {
    const wish = await call.json<VolumeCreateRequest>();
    check(wish, { Name: 'string', Driver: 'string', DriverOpts: 'map', Labels: 'map' });
    if (wish.ClusterVolumeSpec !== undefined) throw new Failure(503, NO_SWARM);
    const volume = volumes.create({
      name: wish.Name,
      driver: wish.Driver,
      labels: wish.Labels ?? {},
      options: wish.DriverOpts ?? {},
    });
    return created(volumes.describe(volume));
  },

  'POST /volumes/prune': ({ volumes, bus }, call) => {
    const filters = call.filters();
    filters.only(['label', 'label!', 'all']);
    const all = wantsAll(filters);
    const gone = [...volumes.all.values()].filter(
      (volume) =>
        (all || volume.anonymous) && filters.prunable(volume.labels) && volumes.holders(volume.name).length === 0,
    );
    const reclaimed = gone.reduce((sum, volume) => sum + volumes.size(volume), 0);
    for (const volume of gone) volumes.remove(volume.name, false);
    bus.emit('volume', 'prune', '', { reclaimed: String(reclaimed) });
    return json({ VolumesDeleted: gone.map((volume) => volume.name), SpaceReclaimed: reclaimed });
  },

  'GET /volumes/{name}': ({ volumes }, call) => json(volumes.describe(volumes.find(call.name))),

  'PUT /volumes/{name}': () => {
    throw new Failure(503, 'volume update only valid for cluster volumes, but swarm is unavailable');
  },

  'DELETE /volumes/{name}': ({ volumes }, call) => {
    volumes.remove(call.name, call.flag('force'));
    return empty(204);
  },
};

/** Whether a prune takes those with names too. */
function wantsAll(filters: Filters): boolean {
  const all = filters.values('all');
  if (all.length > 1) throw invalid(`invalid filter 'all=[${all.join(' ')}]': only one value is expected`);
  return all.length === 1 && parseBool(all[0]!, (words) => invalid(`invalid filter 'all': ${words}`));
}

const NO_SWARM =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
