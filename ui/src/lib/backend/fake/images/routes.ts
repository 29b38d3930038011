import { type Call } from '../core/call';
import { Failure, forbidden, invalid, system } from '../core/failure';
import { bytes, empty, json } from '../core/reply';
import type { Routes } from '../core/router';
import { atoi } from '../core/strconv';
import type { World } from '../world';
import { imported, load, save } from './archive';
import { history, inspect } from './inspect';
import { list } from './list';
import { asked, named } from './named';
import * as platforms from './platform';
import { progress } from './progress';
import { pull } from './pull';
import { push } from './push';
import { prune, remove } from './remove';

export const routes: Routes = {
  'GET /images/json': (world, call) => json(list(world, call.filters(), call.flag('all'), call.flag('shared-size'))),
  'GET /images/search': search,

  'GET /images/get': (world, call) => {
    const names = call.query.getAll('names').flatMap((names) => names.split(','));
    return saved(world, names);
  },

  'POST /images/create': async (world, call) => {
    const from = call.filled('fromImage');
    if (from === undefined) return importTree(world, call);
    const reference = asked(from.replace(/:+$/, ''), call.filled('tag'));
    if (reference.familiarName === 'scratch') throw forbidden("'scratch' is a reserved name");
    const platform = platforms.asked(call);
    return progress(call.signal, (sink) => pull(world, reference, platform, sink));
  },

  'POST /images/load': async (world, call) => {
    const archive = await call.bytes();
    return progress(call.signal, async (sink) => load(world, archive, sink), true);
  },

  'POST /images/prune': (world, call) => {
    const filters = call.filters();
    filters.only(['dangling', 'label', 'label!', 'until']);
    const danglingOnly = filters.flag('dangling') ?? true;
    const until = filters.until(world.clock.now(), system);
    const keep = (image: { config: { Labels: Record<string, string> | null }; created: number | undefined }) =>
      !filters.prunable(image.config.Labels) || (until !== undefined && (image.created ?? Infinity) > until);
    const { items, reclaimed } = prune(world, danglingOnly, keep);
    return json({ ImagesDeleted: items.length > 0 ? items : null, SpaceReclaimed: reclaimed });
  },

  'GET /images/{name}/json': (world, call) => json(inspect(world, platforms.found(world, call))),
  'GET /images/{name}/history': (world, call) => json(history(world, platforms.found(world, call))),
  'GET /images/{name}/get': (world, call) => saved(world, [call.name]),

  'POST /images/{name}/push': async (world, call) => {
    const reference = asked(call.name, call.filled('tag'));
    return progress(call.signal, (sink) => push(world, reference, signedIn(call), sink));
  },

  'POST /images/{name}/tag': (world, call) => {
    const target = named(call);
    // There are no words for a tag without a name.
    if (target === undefined) return empty(200);
    if (target.familiarName === 'sha256') {
      throw invalid('refusing to create an ambiguous tag using digest algorithm as name');
    }
    const image = world.images.find(call.name);
    world.images.name(image, target);
    world.images.emit('tag', image.id, target.familiar, image);
    return empty(201);
  },

  'DELETE /images/{name}': (world, call) => {
    const [wanted, another] = call.query.getAll('platforms').map(platforms.Platform.ofJson);
    if (another !== undefined) throw invalid('multiple platforms are not supported');
    if (wanted !== undefined && call.name !== '') platforms.suited(world, call.name, wanted);
    return json(remove(world, call.name, call.flag('force'), call.flag('noprune')));
  },
};

/** The engine takes a name that cannot be one for an error of its own. */
function saved(world: World, names: string[]) {
  try {
    return bytes(save(world, names), 'application/x-tar');
  } catch (error) {
    throw error instanceof Failure && error.status === 400 ? system(error.message) : error;
  }
}

function search(world: World, call: Call) {
  const limit = atoi(call.filled('limit') ?? '0', (words) => invalid(`invalid limit specified: ${words}`));
  if (limit < 0) return empty(200);
  const filters = call.filters();
  filters.only(['is-automated', 'is-official', 'stars']);
  if (filters.flag('is-automated')) return json([]);
  const official = filters.flag('is-official');
  const stars = filters
    .values('stars')
    .map((value) => atoi(value, (words) => invalid(`invalid filter 'stars=${value}': ${words}`)));
  const term = call.query.get('term') ?? '';
  if (/^https?:\/\//.test(term)) {
    throw invalid(`invalid repository name: repository name (${term}) should not have a scheme`);
  }
  if (limit > 100) throw invalid(`limit ${limit} is outside the range of [1, 100]`);
  const found = world.registry
    .search(term, limit)
    .filter((one) => (official === undefined || one.official === official) && one.stars >= Math.max(0, ...stars));
  return json(
    found.map((one) => ({
      star_count: one.stars,
      is_official: one.official,
      name: one.name,
      is_automated: false,
      description: one.description,
    })),
  );
}

async function importTree(world: World, call: Call) {
  const platform = platforms.asked(call);
  if (platform !== undefined && platform.os !== 'linux') throw invalid('operating system is not supported');
  const reference = named(call);
  const from = call.query.get('fromSrc') ?? '';
  if (from !== '-') throw system(`Get "${from || 'http:'}": http: no Host in request URL`);
  const archive = await call.bytes();
  return progress(call.signal, async (sink) => {
    const image = { ...imported(world, archive, call.filled('message') ?? 'Imported from -'), ...platform };
    world.images.add(image);
    if (reference) {
      world.images.name(image, reference);
      world.images.emit('tag', image.id, reference.familiar, image);
    }
    world.images.emit('import', image.id, image.id, image);
    sink.status(image.id);
  });
}

/** Whether credentials came along. */
function signedIn(call: Call): boolean {
  const header = call.headers['x-registry-auth'];
  if (header === undefined) return false;
  try {
    const auth = JSON.parse(atob(header.replace(/-/g, '+').replace(/_/g, '/'))) as Record<string, string>;
    return Boolean(auth.username || auth.identitytoken || auth.registrytoken);
  } catch {
    return false;
  }
}
