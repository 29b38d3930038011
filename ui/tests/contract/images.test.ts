// @vitest-environment node
import { expect, test } from 'vitest';
import type { ImageDeleteItem, ImageInspect, ImageSummary } from '$lib/api/generated';
import { type Client, filtered } from './client';
import { contract } from './engines';
import { expectShape } from './shapes';

const BUSYBOX = 'busybox:latest';

async function tagged(client: Client, repo = client.name('image')): Promise<string> {
  expect((await client.say('POST', `/images/busybox/tag?repo=${repo}&tag=1`)).status).toBe(201);
  client.later(() => client.say('DELETE', `/images/${repo}:1`));
  return `${repo}:1`;
}

/** An image of its own, from a container. */
async function made(client: Client, repo = client.name('made')): Promise<string> {
  const container = await client.ran(['touch', '/marked']);
  const { body } = await client.ok('POST', `/commit?container=${container}&repo=${repo}&tag=1&comment=because`);
  client.later(() => client.say('DELETE', `/images/${repo}:1?force=1`));
  expectShape('commit', body);
  return body.Id as string;
}

contract('images', (client) => {
  test('are listed, inspected and dated in dockerd’s shapes', async () => {
    const name = await tagged(client);
    const list = (await client.ok('GET', '/images/json')).body as ImageSummary[];
    const summary = list.find((image) => image.RepoTags!.includes(name))!;
    expectShape('image listed', summary, ['.Labels']);
    expect(summary.RepoTags).toContain(BUSYBOX);
    expect([summary.SharedSize, summary.ParentId]).toEqual([-1, '']);
    const inspected = (await client.ok('GET', `/images/${name}/json`)).body as ImageInspect;
    expectShape('image', inspected, ['.Config.Labels']);
    expect([inspected.Id, inspected.Os]).toEqual([summary.Id, 'linux']);
    expect((await client.ok('GET', `/images/${summary.Id}/json`)).body.Id).toBe(summary.Id);
    expect((await client.ok('GET', `/images/${summary.Id.slice(7, 19)}/json`)).body.Id).toBe(summary.Id);
    const { body: history } = await client.ok('GET', `/images/${name}/history`);
    expectShape('history', history);
    expect(history[0]).toMatchObject({ Id: summary.Id });
    expect(history[0].Tags).toContain(name);
  });

  test('are chosen by filters', async () => {
    const name = await tagged(client);
    const chosen = async (filters: Record<string, string[]>) =>
      ((await client.ok('GET', `/images/json?${filtered(filters)}`)).body as ImageSummary[]).flatMap(
        (image) => image.RepoTags ?? [],
      );
    expect(await chosen({ reference: [name] })).toEqual([name]);
    expect(await chosen({ reference: [name.replace(/-\d+:1$/, '-*')] })).toContain(name);
    expect(await chosen({ reference: ['nothing'] })).toEqual([]);
    expect(await chosen({ dangling: ['true'] })).toEqual([]);
    expect(await chosen({ label: ['nobody-has-it'] })).toEqual([]);
    expect(await client.refused('GET', `/images/json?${filtered({ bogus: ['x'] })}`)).toEqual([
      400,
      "invalid filter 'bogus'",
    ]);
  });

  test('tell of their names coming and going', async () => {
    const listener = await client.listen({ type: ['image'] });
    const id = await made(client);
    const name = client.name('second');
    await client.ok('POST', `/images/${id}/tag?repo=${name}&tag=2`);
    const { body: untagged } = await client.ok('DELETE', `/images/${name}:2`);
    expect(untagged).toEqual([{ Untagged: `${name}:2` }]);
    const {
      RepoTags: [first],
    } = (await client.ok('GET', `/images/${id}/json`)).body as ImageInspect;
    const holders = (await client.ok('GET', `/containers/json?all=1&${filtered({ label: ['contract'] })}`)).body as {
      Id: string;
    }[];
    for (const { Id } of holders) await client.ok('DELETE', `/containers/${Id}?force=1`);
    const gone = (await client.ok('DELETE', `/images/${first}`)).body as ImageDeleteItem[];
    expect(gone.slice(0, 2)).toEqual([{ Untagged: first }, { Deleted: id }]);
    const events = await listener.until((events) => events.some((event) => event.Action === 'delete'));
    expect(events.map((event) => event.Action)).toEqual(['create', 'tag', 'tag', 'untag', 'untag', 'delete']);
    expect(events.map((event) => event.Actor.Attributes.name)).toEqual([id, first, `${name}:2`, id, id, id]);
    expect(events.every((event) => event.id === id && event.status === event.Action)).toBe(true);
  });

  test('that are used stay', async () => {
    const id = await made(client);
    const short = id.slice(7, 19);
    const container = await client.run({ Image: id });
    const running = `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${container.slice(0, 12)}`;
    expect(await client.refused('DELETE', `/images/${id}?force=1`)).toEqual([409, running]);
    const [name] = ((await client.ok('GET', `/images/${id}/json`)).body as ImageInspect).RepoTags;
    const using = `conflict: unable to remove repository reference "${name}" (must force) - container ${container.slice(0, 12)} is using its referenced image ${short}`;
    expect(await client.refused('DELETE', `/images/${name}`)).toEqual([409, using]);
    await client.ok('POST', `/containers/${container}/kill`);
    const stopped = `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${container.slice(0, 12)}`;
    expect(await client.refused('DELETE', `/images/${id}`)).toEqual([409, stopped]);
    const other = client.name('other');
    await client.ok('POST', `/images/${id}/tag?repo=${other}&tag=1`);
    await client.ok('DELETE', `/containers/${container}`);
    const several = `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`;
    expect(await client.refused('DELETE', `/images/${id}`)).toEqual([409, several]);
    await client.ok('DELETE', `/images/${id}?force=1`);
    expect((await client.refused('GET', `/images/${id}/json`))[0]).toBe(404);
  });

  test('come from containers, with their changes', async () => {
    const id = await made(client);
    const inspected = (await client.ok('GET', `/images/${id}/json`)).body as ImageInspect;
    expect(inspected.Comment).toBe('because');
    expect(inspected.Parent).toBe((await client.ok('GET', '/images/busybox/json')).body.Id);
    const container = await client.ran(['ls', '/marked'], { Image: id });
    expect((await client.inspect(container)).State.ExitCode).toBe(0);
  });

  test('are saved and loaded again', async () => {
    const id = await made(client);
    const [name] = ((await client.ok('GET', `/images/${id}/json`)).body as ImageInspect).RepoTags;
    const answer = await client.stream(`/images/${name}/get`);
    expect(answer.headers['content-type']).toBe('application/x-tar');
    const archive = new Uint8Array(await new Response(answer.body).arrayBuffer());
    const holders = (await client.ok('GET', `/containers/json?all=1&${filtered({ ancestor: [id] })}`)).body as {
      Id: string;
    }[];
    expect(holders).toEqual([]);
    await client.ok('DELETE', `/images/${name}`);
    const loaded = await client.ok('POST', '/images/load?quiet=1', archive);
    expect(JSON.parse(loaded.text.trim().split('\n').at(-1)!)).toEqual({ stream: `Loaded image: ${name}\n` });
    const container = await client.ran(['ls', '/marked'], { Image: name });
    expect((await client.inspect(container)).State.ExitCode).toBe(0);
  });

  test('are pruned, but not what has a name or a user', async () => {
    expectShape(
      'images pruned: none',
      (await client.ok('POST', `/images/prune?${filtered({ label: [client.name('nobody')] })}`)).body,
    );
  });

  test('a push of what is not there says so within the stream', async () => {
    const answer = await client.ok('POST', '/images/127.0.0.1:9/nope/push?tag=1');
    const lines = answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toEqual([
      { status: 'The push refers to repository [127.0.0.1:9/nope]' },
      {
        errorDetail: { message: 'An image does not exist locally with the tag: 127.0.0.1:9/nope:1' },
        error: 'An image does not exist locally with the tag: 127.0.0.1:9/nope:1',
      },
    ]);
  });

  test('a tree becomes an image of one layer', async () => {
    const container = await client.ran(['touch', '/imported']);
    const tree = new Uint8Array(
      await new Response((await client.stream(`/containers/${container}/export`)).body).arrayBuffer(),
    );
    const repo = client.name('import');
    const answer = await client.ok('POST', `/images/create?fromSrc=-&repo=${repo}&tag=1`, tree);
    client.later(() => client.say('DELETE', `/images/${repo}:1`));
    const { status: id } = JSON.parse(answer.text) as { status: string };
    const inspected = (await client.ok('GET', `/images/${repo}:1/json`)).body as ImageInspect;
    expect([inspected.Id, inspected.RootFS.Layers!.length]).toEqual([id, 1]);
    const ran = await client.ran(['ls', '/imported'], { Image: `${repo}:1` });
    expect((await client.inspect(ran)).State.ExitCode).toBe(0);
  });

  test('what is no archive is told within the stream', async () => {
    const nonsense = new TextEncoder().encode('not a tar'.repeat(200));
    const { status, text } = await client.say('POST', '/images/load', nonsense);
    const [line] = text.split('\n');
    expect([status, JSON.parse(line!)]).toEqual([
      200,
      { error: expect.any(String), errorDetail: { message: expect.any(String) } },
    ]);
  });
});
