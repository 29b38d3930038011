// @vitest-environment node
import { expect, test } from 'vitest';
import { json, text } from '$lib/api/call';
import type { ContainerSummary, JsonMessage } from '$lib/api/generated';
import { values } from '$lib/api/lines';
import { type Request, Unreachable } from '../backend';
import { ManualClock } from './core/clock';
import { FakeEngine } from './engine';
import { Reference } from './images/reference';
import { scene } from './scenes';

const get = (path: string): Request => ({ method: 'GET', path });
const post = (path: string): Request => ({ method: 'POST', path });

async function pulled(name: string, what: 'busy' | 'failing'): Promise<JsonMessage[]> {
  const clock = new ManualClock();
  const engine = scene(what, { clock });
  const lines: JsonMessage[] = [];
  const answer = await engine.request(post(`/images/create?fromImage=${name}&tag=latest`));
  const reading = (async () => {
    for await (const line of values<JsonMessage>(answer.body)) lines.push(line);
  })();
  await clock.advance(120_000);
  await reading;
  return lines;
}

test('a pull tells of each layer until it is complete', async () => {
  const lines = await pulled('redis', 'busy');
  expect(lines[0]).toEqual({ status: 'Pulling from library/redis', id: 'latest' });
  expect(lines.filter((line) => line.status === 'Already exists').length).toBeGreaterThan(0);
  expect(lines.at(-1)).toEqual({ status: 'Status: Downloaded newer image for redis:latest' });
});

test('of an image that is here a pull tells no layer', async () => {
  const lines = await pulled('busybox', 'busy');
  expect(lines.filter((line) => line.status === 'Already exists')).toEqual([]);
  expect(lines.at(-1)).toEqual({ status: 'Status: Image is up to date for busybox:latest' });
});

test('a pull that breaks off says so in its last line, and goes well the next time', async () => {
  const clock = new ManualClock();
  const engine = scene('failing', { clock });
  engine.world.images.all.clear();
  engine.world.images.references.clear();
  const pull = async () => {
    const answer = await engine.request(post('/images/create?fromImage=nginx&tag=latest'));
    const all = text(answer);
    await clock.advance(120_000);
    return (await all)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as JsonMessage);
  };
  const broken = await pull();
  expect(broken.some((line) => line.status === 'Downloading')).toBe(true);
  expect(broken.at(-1)!.error).toMatch(/connection reset by peer$/);
  expect((await pull()).at(-1)!.status).toBe('Status: Downloaded newer image for nginx:latest');
});

test('what is not in the registry is refused before anything is told', async () => {
  const engine = scene('busy', { clock: new ManualClock() });
  await expect(json(engine, post('/images/create?fromImage=shop/secret&tag=latest'))).rejects.toThrow(
    /^pull access denied for shop\/secret/,
  );
});

test('requests fail as they are told to, so many times', async () => {
  const engine = scene('busy', { clock: new ManualClock() });
  engine.fail({ path: /^\/volumes/, status: 500, message: 'the disk is on fire', times: 1 });
  await expect(json(engine, get('/volumes'))).rejects.toMatchObject({ status: 500, message: 'the disk is on fire' });
  await json(engine, get('/volumes'));
  const stop = engine.fail({ path: /./, status: 'unreachable' });
  await expect(engine.request(get('/_ping'))).rejects.toBeInstanceOf(Unreachable);
  stop();
  engine.fail({ path: /^\/containers\/json/, after: 100 });
  await expect(json(engine, get('/containers/json'))).rejects.toBeInstanceOf(Unreachable);
});

test('a container that vanishes tells of its end, and is gone', async () => {
  const engine = scene('busy', { clock: new ManualClock() });
  const abort = new AbortController();
  const events = values<{ Action: string; Type: string }>(
    (await engine.request({ ...get('/events'), signal: abort.signal })).body,
  );
  engine.vanish('shop-cache-1');
  const seen: string[] = [];
  while (seen.at(-1) !== 'container destroy') {
    const { value } = await events.next();
    seen.push(`${value!.Type} ${value!.Action}`);
  }
  expect(seen.slice(-2)).toEqual(['container die', 'container destroy']);
  await expect(json(engine, get('/containers/shop-cache-1/json'))).rejects.toMatchObject({ status: 404 });
  abort.abort();
});

test('the same seed makes the same world', async () => {
  const ids = async (seed: number) =>
    (
      await json<ContainerSummary[]>(scene('busy', { clock: new ManualClock(), seed }), get('/containers/json?all=1'))
    ).map((one) => one.Id);
  expect(await ids(1)).toEqual(await ids(1));
  expect(await ids(1)).not.toEqual(await ids(2));
});

test('a stop waits for those who do not listen, and then ends them', async () => {
  const clock = new ManualClock();
  const engine = scene('busy', { clock });
  const { Id: id } = await json<{ Id: string }>(engine, {
    ...post('/containers/create'),
    body: '{"Image":"busybox","Cmd":["sleep","1000"]}',
  });
  await engine.request(post(`/containers/${id}/start`));
  await clock.advance(1);
  let status: number | undefined;
  void engine.request(post(`/containers/${id}/stop`)).then((answer) => (status = answer.status));
  await clock.advance(9999);
  expect(status).toBe(undefined);
  await clock.advance(10);
  expect(status).toBe(204);
  expect((await json<{ State: { ExitCode: number } }>(engine, get(`/containers/${id}/json`))).State.ExitCode).toBe(137);
});

test('an empty engine has networks, and no more', async () => {
  const engine = new FakeEngine({ clock: new ManualClock() });
  expect(await json(engine, get('/containers/json?all=1'))).toEqual([]);
  expect(await json(engine, get('/images/json'))).toEqual([]);
  expect(await json<unknown[]>(engine, get('/networks'))).toHaveLength(3);
});

test('ten thousand lines a second are ten thousand lines', async () => {
  const clock = new ManualClock();
  const engine = scene('chatty', { clock });
  await clock.advance(2000);
  const { log } = engine.world.containers.find('flood');
  expect(log.messages.length).toBeGreaterThan(19_000);
  expect(log.messages.length).toBeLessThan(21_000);
});

test('a pull for a platform that the registry has no image for is refused', async () => {
  const engine = scene('busy', { clock: new ManualClock() });
  const wanted = (platform: string) => post(`/images/create?fromImage=redis&tag=latest&platform=${platform}`);
  await expect(json(engine, wanted('linux/s390x'))).rejects.toMatchObject({
    status: 404,
    message: 'no matching manifest for linux/s390x in the manifest list entries',
  });
  expect((await engine.request(wanted('x86_64'))).status).toBe(200);
});

test('the name of a repository saves each of its tags', async () => {
  const engine = scene('busy', { clock: new ManualClock() });
  const { images } = engine.world;
  const [image] = images.all.values();
  for (const tag of ['1', '2']) images.name(image!, new Reference('docker.io', 'shop/several', tag));
  expect(await text(await engine.request(get('/images/get?names=shop/several')))).toContain(
    '"RepoTags":["shop/several:1","shop/several:2"]',
  );
});
