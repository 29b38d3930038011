import { beforeEach, describe, expect, it } from 'vitest';
import * as archives from '$lib/api/archive';
import * as volumes from '$lib/api/volumes';
import { archive } from '$features/container/files/tar/write';
import { kindOf } from '$features/container/files/entry';
import { scene } from '$lib/backend/fake/scenes';
import type { Backend } from '$lib/backend/backend';
import { follow } from './follow';
import { keep, ROOT } from './keeper';

const about = { mode: 0o755, uid: 0, gid: 0, mtime: 1 };

/** A tar of links: one of empty files, whose headers say that they are links (POSIX pax, ustar header). */
async function links(of: Record<string, string>): Promise<Blob> {
  const files = Object.keys(of).map((name) => ({ ...about, name, kind: 'file' as const }));
  const tar = new Uint8Array(await archive(files).arrayBuffer());
  Object.values(of).forEach((target, index) => {
    const header = tar.subarray(index * 512, (index + 1) * 512);
    header[156] = '2'.charCodeAt(0);
    header.set(new TextEncoder().encode(target), 157);
    header.fill(0x20, 148, 156);
    const sum = header.reduce((all, byte) => all + byte, 0);
    header.set(new TextEncoder().encode(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  });
  return new Blob([tar]);
}

describe('a link in a volume', () => {
  let backend: Backend;
  let id: string;

  beforeEach(async () => {
    backend = scene('busy');
    await volumes.create(backend, { Name: 'data' });
    ({ id } = await keep(backend, 'data', 'write'));
    const conf = [
      { ...about, name: 'conf', kind: 'folder' as const },
      { ...about, name: 'conf/app.ini', kind: 'file' as const, body: new TextEncoder().encode('a=1') },
    ];
    await archives.put(backend, id, ROOT, archive(conf));
    const made = await links({
      near: 'conf/app.ini',
      folder: './conf',
      through: 'folder/app.ini',
      absolute: `${ROOT}/conf`,
      passwd: '/etc/passwd',
      etc: '../etc',
      middle: 'etc/passwd',
      sneaky: `${ROOT}/../etc/passwd`,
      beside: `${ROOT}x`,
      round: 'round',
    });
    await archives.put(backend, id, ROOT, made);
  });

  it.each([
    ['conf', 'conf', 'folder'],
    ['near', 'conf/app.ini', 'file'],
    ['folder', 'conf', 'folder'],
    ['through', 'conf/app.ini', 'file'],
    ['absolute', 'conf', 'folder'],
    ['absolute/app.ini', 'conf/app.ini', 'file'],
  ])('within it is followed: %s', async (from, to, kind) => {
    const end = await follow(backend, id, `${ROOT}/${from}`);
    expect([end.path, kindOf(end.stat)]).toEqual([`${ROOT}/${to}`, kind]);
  });

  it.each(['passwd', 'etc', 'middle', 'sneaky', 'beside', 'etc/passwd'])('out of it is refused: %s', async (from) => {
    await expect(follow(backend, id, `${ROOT}/${from}`)).rejects.toThrow(`/${from} leads out of the volume`);
  });

  it('that leads to itself ends', async () => {
    await expect(follow(backend, id, `${ROOT}/round`)).rejects.toThrow('The link leads round in a circle');
  });
});
