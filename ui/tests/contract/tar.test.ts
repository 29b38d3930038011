import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { members, type Open } from '../../src/features/container/files/tar/read';
import { archive, type Item } from '../../src/features/container/files/tar/write';

const bytes = (words: string) => new TextEncoder().encode(words);
const item = (name: string, body: string, mode: number): Item => ({
  name,
  kind: 'file',
  mode,
  uid: 1000,
  gid: 100,
  mtime: 1_700_000_000,
  body: bytes(body),
});

async function read(data: Uint8Array<ArrayBuffer>) {
  const found: (Omit<Open, 'bytes' | 'pieces'> & { body: string })[] = [];
  for await (const { bytes, pieces: _, ...member } of members(new Blob([data]).stream())) {
    found.push({ ...member, body: new TextDecoder().decode(await bytes()) });
  }
  return found;
}

describe('with the tar of this system', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'tar-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes what it reads', async () => {
    const name = `${'deep/'.repeat(30)}文件`;
    const data = new Uint8Array(await archive([item(name, 'inside', 0o751), item('top', 't', 0o644)]).arrayBuffer());
    writeFileSync(join(folder, 'a.tar'), data);
    execFileSync('tar', ['-xf', 'a.tar', '--no-same-owner', '-p'], { cwd: folder });
    expect(readFileSync(join(folder, name), 'utf8')).toBe('inside');
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o751);
  });

  it.each(['gnu', 'pax', 'ustar'])('reads what it writes as %s', async (format) => {
    const long = format === 'ustar' ? 'short' : `${'d/'.repeat(80)}${'n'.repeat(120)}`;
    mkdirSync(join(folder, 'in', long, '..'), { recursive: true });
    writeFileSync(join(folder, 'in', long), 'body');
    chmodSync(join(folder, 'in', long), 0o4711);
    symlinkSync(format === 'ustar' ? 'to' : 't'.repeat(150), join(folder, 'in', 'link'));
    const out = execFileSync('tar', [`--format=${format}`, '-cf', '-', 'in'], { cwd: folder });
    const found = new Map((await read(new Uint8Array(out))).map((member) => [member.name, member]));
    expect(found.get(`in/${long}`)).toMatchObject({ kind: 'file', mode: 0o4711, body: 'body' });
    expect(found.get('in/link')).toMatchObject({
      kind: 'symlink',
      target: format === 'ustar' ? 'to' : 't'.repeat(150),
    });
    expect(found.get('in/')).toMatchObject({ kind: 'folder' });
  });
});
