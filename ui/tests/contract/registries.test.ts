// @vitest-environment node
import { expect, test } from 'vitest';
import { values } from '$lib/api/lines';
import type { ImageInspect, JsonMessage } from '$lib/api/generated';
import { type Client, filtered } from './client';
import { contractAround } from './engines';

/** What is told of each layer, in order; counts that follow each other as one. */
function phases(told: JsonMessage[]): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const { id, status, progressDetail } of told) {
    // What is of no layer has no detail.
    if (id === undefined || progressDetail === undefined) continue;
    const own = all.get(id) ?? [];
    if (own.at(-1) !== status) own.push(status!);
    all.set(id, own);
  }
  return all;
}

/** Counts have what is done, of how much, and a bar; all other lines of a layer have neither. */
function expectCounts(told: JsonMessage[]): void {
  for (const { status, progressDetail, progress } of told) {
    if (progressDetail === undefined) continue;
    const counts = ['Downloading', 'Extracting', 'Pushing'].includes(status!);
    if (counts) {
      // What is 0 is left out.
      expect({ current: 0, ...progressDetail }).toEqual({ current: expect.any(Number), total: expect.any(Number) });
      expect(progress).toMatch(/^\[=*>\s*\]\s+[\d.]+[kMG]?B\/[\d.]+[kMG]?B$/);
    } else expect([status, progressDetail, progress]).toEqual([status, {}, undefined]);
  }
}

const PULLED =
  /^Pulling fs layer( Waiting)?( Downloading)?( Verifying Checksum)?( Download complete)?( Extracting)?( Pull complete)$/;
const PUSHED = /^Preparing( Waiting)?( Pushing)? Pushed$/;
const DIGEST = expect.stringMatching(/^Digest: sha256:[0-9a-f]{64}$/);

async function lines(client: Client, path: string): Promise<JsonMessage[]> {
  const { text, headers } = await client.ok('POST', path);
  expect(headers['content-type']).toBe('application/json');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as JsonMessage);
}

contractAround('registries', (client, _, place) => {
  const pull = (reference: string) => {
    const [, name, tag] = /^(.*):([^:]+)$/.exec(reference)!;
    return `/images/create?fromImage=${encodeURIComponent(name!)}&tag=${tag}`;
  };

  /** An image of two layers, named for the registry. */
  async function made(): Promise<string> {
    const container = await client.ran(['touch', '/pushed']);
    const repo = `${place.registry}/${client.name('pushed')}`;
    await client.ok('POST', `/commit?container=${container}&repo=${repo}&tag=1`);
    await client.ok('DELETE', `/containers/${container}?force=1`);
    client.later(() => client.say('DELETE', `/images/${repo}:1?force=1`));
    return repo;
  }

  test('take what is pushed, layer by layer, and not again what they have', async () => {
    const repo = await made();
    const listener = await client.listen({ type: ['image'] });
    const before = (await client.ok('GET', `/images/${repo}:1/json`)).body as ImageInspect;
    const told = await lines(client, `/images/${repo}/push?tag=1`);
    expect(told[0]).toEqual({ status: `The push refers to repository [${repo}]` });
    expectCounts(told);
    const layers = phases(told);
    expect(layers.size).toBe(before.RootFS.Layers!.length);
    for (const phase of layers.values()) expect(phase.join(' ')).toMatch(PUSHED);
    const [last, aux] = told.slice(-2);
    const [, digest, size] = /^1: digest: (sha256:[0-9a-f]{64}) size: (\d+)$/.exec(last!.status!)!;
    expect(aux).toEqual({ progressDetail: {}, aux: { Tag: '1', Digest: digest, Size: Number(size) } });
    const after = (await client.ok('GET', `/images/${repo}:1/json`)).body as ImageInspect;
    expect(after.RepoDigests).toEqual([`${repo}@${digest}`]);
    const events = await listener.until((events) => events.some(({ Action }) => Action === 'push'));
    const pushed = events.find(({ Action }) => Action === 'push')!;
    expect([pushed.Actor.ID, pushed.Actor.Attributes.name]).toEqual([`${repo}:1`, repo]);

    const again = phases(await lines(client, `/images/${repo}/push?tag=1`));
    expect([...again.values()]).toEqual([...layers].map(() => ['Preparing', 'Layer already exists']));

    const other = `${place.registry}/${client.name('other')}`;
    await client.ok('POST', `/images/${repo}:1/tag?repo=${other}&tag=1`);
    client.later(() => client.say('DELETE', `/images/${other}:1`));
    const mounted = phases(await lines(client, `/images/${other}/push?tag=1`));
    const from = repo.slice(place.registry.length + 1);
    expect([...mounted.values()]).toEqual([...layers].map(() => ['Preparing', `Mounted from ${from}`]));
  });

  test('give what was pushed, and say what is here already', async () => {
    const repo = await made();
    const id = (await client.ok('GET', `/images/${repo}:1/json`)).body.Id as string;
    await lines(client, `/images/${repo}/push?tag=1`);
    await client.ok('DELETE', `/images/${repo}:1`);
    expect((await client.refused('GET', `/images/${repo}:1/json`))[0]).toBe(404);
    const listener = await client.listen({ type: ['image'] });
    const told = await lines(client, pull(`${repo}:1`));
    expect(told[0]).toEqual({ status: `Pulling from ${repo.slice(place.registry.length + 1)}`, id: '1' });
    expectCounts(told);
    const layers = [...phases(told).values()].map((phase) => phase.join(' '));
    // The lower one is busybox'.
    expect(layers).toEqual(['Already exists', expect.stringMatching(PULLED)]);
    expect(told.slice(-2)).toEqual([{ status: DIGEST }, { status: `Status: Downloaded newer image for ${repo}:1` }]);
    expect((await client.ok('GET', `/images/${repo}:1/json`)).body.Id).toBe(id);
    const events = await listener.until((events) => events.some(({ Action }) => Action === 'pull'));
    const pulled = events.find(({ Action }) => Action === 'pull')!;
    expect([pulled.Actor.ID, pulled.Actor.Attributes.name]).toEqual([`${repo}:1`, repo]);

    const again = await lines(client, pull(`${repo}:1`));
    expect(again).toEqual([told[0], { status: DIGEST }, { status: `Status: Image is up to date for ${repo}:1` }]);
  });

  test('a pull that is broken off leaves nothing, and the next one has it all', async () => {
    client.later(() => client.say('DELETE', `/images/${place.held}`));
    const answer = await client.backend.request({ method: 'POST', path: pull(place.held) });
    expect(answer.status).toBe(200);
    const told: JsonMessage[] = [];
    let broken = false;
    for await (const line of values<JsonMessage>(answer.body)) {
      told.push(line);
      const counting = told.some(({ status }) => status === 'Downloading');
      if (broken || !counting || told.filter(({ status }) => status === 'Waiting').length < 2) continue;
      broken = true;
      await place.breakOff();
    }
    expect(broken, JSON.stringify(told)).toBe(true);
    expect(told[0]).toEqual({ status: 'Pulling from layers', id: '1' });
    const layers = [...phases(told).values()];
    expect(layers.map(([first]) => first)).toEqual(Array<string>(5).fill('Pulling fs layer'));
    // Three are fetched at once.
    expect(layers.filter((phase) => phase.includes('Waiting'))).toHaveLength(2);
    expect(layers.filter((phase) => phase.includes('Pull complete')).length).toBeLessThan(3);
    const last = told.at(-1)!;
    expect(last).toEqual({ error: expect.stringMatching(/./), errorDetail: { message: last.error } });
    expect((await client.refused('GET', `/images/${place.held}/json`))[0]).toBe(404);

    await place.letGo();
    const whole = await lines(client, pull(place.held));
    expectCounts(whole);
    const second = [...phases(whole).values()].map((phase) => phase.join(' '));
    expect(second).toEqual(Array(5).fill(expect.stringMatching(PULLED)));
    expect(whole.at(-1)).toEqual({ status: `Status: Downloaded newer image for ${place.held}` });
    expect(((await client.ok('GET', `/images/${place.held}/json`)).body as ImageInspect).RootFS.Layers).toHaveLength(5);
  });

  test('are searched by their own name', async () => {
    const search = async (term: string, more = '') =>
      (await client.ok('GET', `/images/search?term=${encodeURIComponent(`${place.index}/${term}`)}${more}`))
        .body as object[];
    const ship = { star_count: 10, is_official: true, name: 'ship', is_automated: false, description: 'sails' };
    const mine = { star_count: 3, is_official: false, name: 'me/ship', is_automated: false, description: 'sails' };
    expect(await search('ship')).toEqual([ship, mine]);
    expect(await search('ship', '&limit=1')).toEqual([ship]);
    expect(await search('sails', `&${filtered({ 'is-official': ['false'] })}`)).toEqual([mine]);
    expect(await search('ship', `&${filtered({ stars: ['4'] })}`)).toEqual([ship]);
    expect(await search('nothing')).toEqual([]);
  });
});
