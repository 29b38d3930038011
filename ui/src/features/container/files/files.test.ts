import { beforeEach, describe, expect, it } from 'vitest';
import * as archives from '$lib/api/archive';
import { Refused } from '$lib/api/call';
import * as containers from '$lib/api/containers';
import type { Backend } from '$lib/backend/backend';
import { scene } from '$lib/backend/fake/scenes';
import { Changed, download, Exists, makeFolder, read, resolve, upload, write } from './content';
import { kindOf, kindOfStat, modeWords, parentOf, plainPath, within } from './entry';
import { list, NoFolder, parse } from './list';
import { replaced } from './replaced';
import { hexRow, hexRows, lineEnds, shape } from './preview';
import { archive } from './tar/write';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const NOW = Date.parse('2026-03-04T05:06:07Z');

describe('over a simulated engine', () => {
  let engine: Backend;
  const id = 'sandbox';
  beforeEach(async () => {
    engine = scene('busy');
    const file = (name: string, body: string, mode = 0o640) => ({
      name,
      kind: 'file' as const,
      mode,
      uid: 33,
      gid: 44,
      mtime: 1_700_000_000,
      body: bytes(body),
    });
    const folder = { name: 'd', kind: 'folder' as const, mode: 0o755, uid: 0, gid: 0, mtime: 1_700_000_000 };
    await archives.put(engine, id, '/tmp', archive([file('a.txt', 'hello'), folder, file('d/inner', 'deep')]));
  });

  it('lists a folder by its archive, one level of it', async () => {
    const { entries, by, givenUpAfter } = await list(engine, { id, path: '/tmp', running: false });
    expect(entries.map(({ name, kind }) => [name, kind])).toEqual([
      ['d', 'folder'],
      ['a.txt', 'file'],
    ]);
    expect(entries[1]).toMatchObject({ mode: 0o640, uid: 33, gid: 44, size: 5, mtime: 1_700_000_000 });
    expect([by, givenUpAfter]).toEqual(['archive', undefined]);
  });

  it('falls back to the archive where a running container has no find', async () => {
    const { entries, by } = await list(engine, { id, path: '/tmp', running: true });
    expect(by).toBe('archive');
    expect(entries).toHaveLength(2);
  });

  it('asks about what an upload would take the place of, in folders too, whatever was listed', async () => {
    const paths = ['a.txt', 'd/inner', 'd/new', 'd', 'fresh/d/inner', 'b.txt'];
    expect(await replaced(engine, id, '/tmp', paths)).toEqual(['a.txt', 'd/inner']);
    const asked: string[] = [];
    const counting: Backend = {
      upgrade: (one) => engine.upgrade(one),
      request: (one) => (asked.push(one.path), engine.request(one)),
    };
    const many = Array.from({ length: 50 }, (_, at) => `fresh/deep/${at}`);
    expect(await replaced(counting, id, '/tmp', many)).toEqual([]);
    expect(asked.every((path) => !path.includes('deep'))).toBe(true);
  });

  it('lists the root', async () => {
    const { entries } = await list(engine, { id, path: '/', running: false });
    expect(entries.map(({ name }) => name)).toEqual(expect.arrayContaining(['bin', 'etc', 'tmp']));
  });

  it('gives up after as many bytes as it may look at, and says so', async () => {
    await upload(engine, id, '/tmp', [{ path: 'aaa', file: new File(['x'.repeat(5000)], 'aaa') }]);
    const listing = await list(engine, { id, path: '/tmp', running: false, look: 4000 });
    expect(listing.givenUpAfter).toBe(4000);
    expect(listing.entries.length).toBeLessThan(3);
  });

  it('tells what is no folder, and what is not there', async () => {
    await expect(list(engine, { id, path: '/tmp/nothing', running: false })).rejects.toBeInstanceOf(Refused);
    const file = list(engine, { id, path: '/tmp/a.txt', running: false });
    await expect(file).rejects.toSatisfy((error) => error instanceof NoFolder || error instanceof Refused);
  });

  it('reads, writes and keeps mode and owner', async () => {
    const before = await read(engine, id, '/tmp/a.txt', 1000);
    expect([text(before.bytes), before.whole]).toEqual(['hello', true]);
    await write(engine, id, before, bytes('changed'), NOW);
    const after = await read(engine, id, '/tmp/a.txt', 3);
    expect([text(after.bytes), after.whole]).toEqual(['cha', false]);
    expect(after.member).toMatchObject({ mode: 0o640, uid: 33, gid: 44, size: 7 });
  });

  it('does not write over what was changed meanwhile', async () => {
    const before = await read(engine, id, '/tmp/a.txt', 1000);
    await write(engine, id, before, bytes('theirs'), NOW);
    await expect(write(engine, id, before, bytes('mine'), NOW)).rejects.toBeInstanceOf(Changed);
    expect(text((await read(engine, id, '/tmp/a.txt', 1000)).bytes)).toBe('theirs');
  });

  it('makes a folder, but not over something', async () => {
    await makeFolder(engine, id, '/tmp/new', NOW);
    expect(kindOf((await resolve(engine, id, '/tmp/new')).stat)).toBe('folder');
    await expect(makeFolder(engine, id, '/tmp/a.txt', NOW)).rejects.toBeInstanceOf(Exists);
  });

  it('copies files in, and out again', async () => {
    const file = new File(['ünï'], 'x.txt', { lastModified: NOW });
    await upload(engine, id, '/tmp', [{ path: '名字.txt', file }]);
    const came: number[] = [];
    const parts = await download(engine, id, '/tmp/名字.txt', (now) => came.push(now));
    expect(await new Blob(parts).text()).toBe('ünï');
    expect(came.at(-1)).toBe(5);
  });

  it('does all of it for a container that does not run', async () => {
    await containers.stop(engine, id, { seconds: 0 });
    await makeFolder(engine, id, '/tmp/later', NOW);
    const { entries } = await list(engine, { id, path: '/tmp', running: false });
    expect(entries.map(({ name }) => name)).toContain('later');
  });
});

describe('what stat writes', () => {
  it('becomes entries, whatever their names are', () => {
    const out =
      `\x1e41ed 0 0 4096 1700000000 /x/folder\x1f'/x/folder'\n` +
      `\x1e81a4 1000 100 12 1700000001 /x/new\nline\x1f'/x/new'$'\\n''line'\n` +
      `\x1ea1ff 0 0 7 1700000002 /x/link\x1f'/x/link' -> '../to it'\n` +
      `\x1ea1ff 0 0 7 1700000002 /x/it's\x1f"/x/it's" -> 'target'\n` +
      `\x1e89ed 0 0 7 -5 /x/setuid\x1f/x/setuid\n` +
      'find: unrelated\n';
    expect(parse(out)).toEqual([
      { name: 'folder', kind: 'folder', mode: 0o755, uid: 0, gid: 0, size: 4096, mtime: 1700000000 },
      { name: "it's", kind: 'symlink', mode: 0o777, uid: 0, gid: 0, size: 7, mtime: 1700000002, target: 'target' },
      { name: 'link', kind: 'symlink', mode: 0o777, uid: 0, gid: 0, size: 7, mtime: 1700000002, target: '../to it' },
      { name: 'new\nline', kind: 'file', mode: 0o644, uid: 1000, gid: 100, size: 12, mtime: 1700000001 },
      { name: 'setuid', kind: 'file', mode: 0o4755, uid: 0, gid: 0, size: 7, mtime: -5 },
    ]);
  });
});

describe('entries', () => {
  it.each([
    ['folder', 0o2755, 'drwxr-sr-x'],
    ['file', 0o4711, '-rws--x--x'],
    ['file', 0o6644, '-rwSr-Sr--'],
    ['folder', 0o1777, 'drwxrwxrwt'],
    ['symlink', 0o777, 'lrwxrwxrwx'],
  ] as const)('%s %o', (kind, mode, words) => expect(modeWords(kind, mode)).toBe(words));

  it('reads kinds of stat and of Go', () => {
    expect(kindOfStat(0o140755)).toBe('other');
    const stat = { name: '', size: 0, mtime: '', linkTarget: '' };
    expect(kindOf({ ...stat, mode: 2 ** 31 + 0o755 })).toBe('folder');
    expect(kindOf({ ...stat, mode: 2 ** 27 + 0o777 })).toBe('symlink');
    expect(kindOf({ ...stat, mode: 2 ** 26 + 2 ** 21 })).toBe('character device');
    expect(kindOf({ ...stat, mode: 0o644 })).toBe('file');
  });

  it('makes plain paths', () => {
    expect(['/', '//a/./b/../c/', '/../..', 'a'].map(plainPath)).toEqual(['/', '/a/c', '/', '/a']);
    expect([parentOf('/a'), parentOf('/a/b'), within('/', 'a'), within('/a', 'b')]).toEqual(['/', '/a', '/a', '/a/b']);
  });
});

describe('shape', () => {
  const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0]);
  it.each([
    ['text', 'x', bytes('hello\n\tworld é'), true, 'text'],
    ['text cut within a character', 'x', bytes('é').subarray(0, 1), false, 'text'],
    ['half a character at the end', 'x', bytes('é').subarray(0, 1), true, 'binary'],
    ['zeros', 'x.txt', new Uint8Array([65, 0]), true, 'binary'],
    ['an image', 'x', png, true, 'image'],
    ['the beginning of an image', 'x.png', png, false, 'binary'],
    ['an SVG', 'x.svg', bytes('<svg onload="alert(1)"></svg>'), true, 'image'],
    ['markup', 'x.html', bytes('<script>alert(1)</script>'), true, 'text'],
    ['nothing', 'x', new Uint8Array(), true, 'text'],
  ] as const)('%s', (_, name, data, whole, as) => expect(shape(name, data, whole).as).toBe(as));

  it('keeps a byte order mark', () =>
    expect(shape('x', bytes('\ufeffx'), true)).toEqual({ as: 'text', text: '\ufeffx' }));

  it('tells how lines end', () => {
    expect([lineEnds('a\nb'), lineEnds('a\r\nb\r\n'), lineEnds('a\r\nb\n'), lineEnds('a\rb'), lineEnds('a')]).toEqual([
      '\n',
      '\r\n',
      undefined,
      undefined,
      '\n',
    ]);
  });

  it('writes hex', () => {
    const data = Uint8Array.from({ length: 18 }, (_, at) => at + 0x3c);
    expect(hexRows(data)).toBe(2);
    expect(hexRow(data, 0)).toBe('00000000  3c 3d 3e 3f 40 41 42 43  44 45 46 47 48 49 4a 4b  |<=>?@ABCDEFGHIJK|');
    expect(hexRow(data, 1)).toBe(`00000010  4c 4d${' '.repeat(45)}|LM|`);
  });
});
