import { type Call } from '../core/call';
import { invalid, notFound, system } from '../core/failure';
import { bytes, empty, json } from '../core/reply';
import type { Routes } from '../core/router';
import type { World } from '../world';
import { imported, load, save } from './archive';
import { history, inspect } from './inspect';
import { list, pointInTime } from './list';
import { asked, named } from './named';
import { progress } from './progress';
import { pull } from './pull';
import { push } from './push';
import { prune, remove } from './remove';

export const routes: Routes = {
  'GET /images/json': (world, call) => json(list(world, call.filters(), call.flag('all'), call.flag('shared-size'))),
  'GET /images/search': search,

  'GET /images/get': (world, call) => {
    const names = call.query.getAll('names').flatMap((names) => names.split(','));
    return bytes(save(world, names), 'application/x-tar');
  },

  'POST /images/create': async (world, call) => {
    const from = call.filled('fromImage');
    if (from === undefined) return importTree(world, call);
    const reference = asked(from.replace(/:+$/, ''), call.filled('tag'));
    return progress(call.signal, (sink) => pull(world, reference, sink));
  },

  'POST /images/load': async (world, call) => {
    const archive = await call.bytes();
    return progress(call.signal, async (sink) => load(world, archive, sink));
  },

  'POST /images/prune': (world, call) => {
    const filters = call.filters();
    filters.only(['dangling', 'label', 'label!', 'until']);
    const danglingOnly = filters.flag('dangling') ?? true;
    const [until] = filters.values('until').map((text) => pointInTime(world, text));
    const keep = (image: { config: { Labels: Record<string, string> | null }; created: number | undefined }) =>
      !filters.prunable(image.config.Labels) || (until !== undefined && (image.created ?? Infinity) > until);
    const { items, reclaimed } = prune(world, danglingOnly, keep);
    return json({ ImagesDeleted: items.length > 0 ? items : null, SpaceReclaimed: reclaimed });
  },

  'GET /images/{name}/json': (world, call) => json(inspect(world, world.images.find(call.name))),
  'GET /images/{name}/history': (world, call) => json(history(world, world.images.find(call.name))),
  'GET /images/{name}/get': (world, call) => bytes(save(world, [call.name]), 'application/x-tar'),

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
    const platforms = call.query.getAll('platforms').map(platform);
    if (platforms.length > 1) throw invalid('multiple platforms are not supported');
    const [wanted] = platforms;
    if (wanted !== undefined && call.name !== '') {
      const { os, architecture } = world.images.find(call.name);
      if (wanted !== `${os}/${architecture}`) {
        throw notFound(
          `image with reference ${call.name} was found but its platform (${os}/${architecture}) does not match the specified platform (${wanted})`,
        );
      }
    }
    return json(remove(world, call.name, call.flag('force'), call.flag('noprune')));
  },
};

/** `{"os": "linux", "architecture": "amd64"}` */
function platform(text: string): string {
  let given: { os?: string; architecture?: string };
  try {
    given = JSON.parse(text) as typeof given;
  } catch (error) {
    throw invalid(`failed to parse platform: ${(error as Error).message}`);
  }
  if (!given.os || !given.architecture) throw invalid('both OS and Architecture must be provided');
  return `${given.os}/${given.architecture}`;
}

function search(world: World, call: Call) {
  const text = call.filled('limit') ?? '0';
  if (!/^-?\d+$/.test(text)) throw invalid(`invalid limit specified: strconv.Atoi: parsing "${text}": invalid syntax`);
  const limit = Number(text);
  if (limit < 0) return empty(200);
  const filters = call.filters();
  filters.only(['is-automated', 'is-official', 'stars']);
  if (filters.flag('is-automated')) return json([]);
  const official = filters.flag('is-official');
  const stars = filters.values('stars').map((value) => {
    if (!/^-?\d+$/.test(value))
      throw invalid(`invalid filter 'stars=${value}': strconv.Atoi: parsing "${value}": invalid syntax`);
    return Number(value);
  });
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
  const reference = named(call);
  const from = call.query.get('fromSrc') ?? '';
  if (from !== '-') throw system(`Get "${from || 'http:'}": http: no Host in request URL`);
  const archive = await call.bytes();
  return progress(call.signal, async (sink) => {
    const image = imported(world, archive, call.filled('message') ?? 'Imported from -');
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
