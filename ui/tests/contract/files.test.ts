// @vitest-environment node
import { expect, test } from 'vitest';
import type { PathStat } from '$lib/api/generated';
import { pack, unpack } from '$lib/backend/fake/files/tar';
import { file, folder, link } from '$lib/backend/fake/files/tree';
import type { Client } from './client';
import { contract } from './engines';
import { expectShape } from './shapes';

async function archive(client: Client, id: string, path: string) {
  const answer = await client.stream(`/containers/${id}/archive?path=${encodeURIComponent(path)}`);
  const bytes = new Uint8Array(await new Response(answer.body).arrayBuffer());
  return { status: answer.status, stat: stat(answer.headers), entries: answer.status === 200 ? unpack(bytes) : [] };
}

function stat(headers: Record<string, string>): PathStat | undefined {
  const header = headers['x-docker-container-path-stat'];
  return header === undefined ? undefined : (JSON.parse(Buffer.from(header, 'base64').toString()) as PathStat);
}

contract('files', (client) => {
  test('are put in, looked at, and taken out', async () => {
    const id = await client.run();
    const tree = folder();
    tree.children.set('notes.txt', file('hello\n', { mode: 0o640, time: 1_700_000_000_000 }));
    tree.children.set('to', link('notes.txt'));
    tree.children.set('empty', folder());
    const put = await client.say('PUT', `/containers/${id}/archive?path=/tmp`, pack('box', tree));
    expect([put.status, put.text]).toEqual([200, '']);
    const found = await archive(client, id, '/tmp/box');
    expect(found.entries.map(({ name, node }) => [name, node.kind]).toSorted()).toEqual([
      ['box/', 'folder'],
      ['box/empty/', 'folder'],
      ['box/notes.txt', 'file'],
      ['box/to', 'link'],
    ]);
    expect(found.stat).toMatchObject({ name: 'box', linkTarget: '' });
    expect(found.stat!.mode >>> 31).toBe(1);
    const head = await client.say('HEAD', `/containers/${id}/archive?path=/tmp/box/notes.txt`);
    expect(head.status).toBe(200);
    expect(stat(head.headers)).toEqual({
      name: 'notes.txt',
      size: 6,
      mode: 0o640,
      mtime: '2023-11-14T22:13:20Z',
      linkTarget: '',
    });
    const target = stat((await client.say('HEAD', `/containers/${id}/archive?path=/tmp/box/to`)).headers)!;
    expect([target.name, target.linkTarget, target.mode >>> 27]).toEqual(['to', '/tmp/box/notes.txt', 1]);
    const [one] = (await archive(client, id, '/tmp/box/notes.txt')).entries;
    expect(one).toMatchObject({ name: 'notes.txt', node: { mode: 0o640, time: 1_700_000_000_000 } });
    expect(new TextDecoder().decode(one!.node.kind === 'file' ? one!.node.content : undefined)).toBe('hello\n');
  });

  test('that are not there are told of', async () => {
    const id = await client.create();
    expect(await client.refused('GET', `/containers/${id}/archive?path=/nope`)).toEqual([
      404,
      `Could not find the file /nope in container ${id}`,
    ]);
    expect((await client.say('HEAD', `/containers/${id}/archive?path=/nope`)).status).toBe(404);
    expect(await client.refused('PUT', `/containers/${id}/archive?path=/nope`, pack('x', file('')))).toEqual([
      404,
      `Could not find the file /nope in container ${id}`,
    ]);
    expect(await client.refused('PUT', `/containers/${id}/archive?path=/etc/passwd`, pack('x', file('')))).toEqual([
      400,
      'extraction point is not a directory',
    ]);
    expect(await client.refused('GET', `/containers/${id}/archive`)).toEqual([
      400,
      'bad parameter: path cannot be empty',
    ]);
  });

  test('of stopped containers and of volumes are there, too', async () => {
    const volume = await client.volume();
    const id = await client.create({ HostConfig: { Binds: [`${volume}:/v`] } });
    expect(
      (await client.say('PUT', `/containers/${id}/archive?path=/v`, pack('kept', file('in the volume\n')))).status,
    ).toBe(200);
    const other = await client.ran(['cat', '/v/kept'], { HostConfig: { Binds: [`${volume}:/v`] } });
    expect((await client.inspect(other)).State.ExitCode).toBe(0);
    const read = await client.create({ HostConfig: { Binds: [`${volume}:/v:ro`] } });
    expect(await client.refused('PUT', `/containers/${read}/archive?path=/v`, pack('x', file('')))).toEqual([
      400,
      'mounted volume is marked read-only',
    ]);
  });

  test('that a container changed are told', async () => {
    const untouched = await client.create();
    expect((await client.ok('GET', `/containers/${untouched}/changes`)).body).toBeNull();
    const id = await client.ran(['sh', '-c', 'mkdir /made; echo x > /made/file; rm /etc/passwd']);
    const { body } = await client.ok('GET', `/containers/${id}/changes`);
    expectShape('changes', body);
    expect(body).toEqual([
      { Path: '/etc', Kind: 0 },
      { Path: '/etc/passwd', Kind: 2 },
      { Path: '/made', Kind: 1 },
      { Path: '/made/file', Kind: 1 },
    ]);
  });

  test('are exported as a whole', async () => {
    const id = await client.ran(['sh', '-c', 'echo x > /marked']);
    const answer = await client.stream(`/containers/${id}/export`);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    const names = unpack(new Uint8Array(await new Response(answer.body).arrayBuffer())).map((entry) =>
      entry.name.replace(/^\.?\//, ''),
    );
    expect(names).toContain('marked');
    expect(names).toContain('etc/passwd');
  });

  test('whose names are long or strange survive', async () => {
    const id = await client.create();
    const names = ['ü'.repeat(60), 'a'.repeat(200), 'with space', 'new\nline', '👩‍🚀'];
    for (const name of names) {
      expect((await client.say('PUT', `/containers/${id}/archive?path=/tmp`, pack(name, file(name)))).status).toBe(200);
      const [entry] = (await archive(client, id, `/tmp/${name}`)).entries;
      expect(entry!.name).toBe(name);
    }
  });
});
