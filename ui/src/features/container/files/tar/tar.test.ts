import { describe, expect, it } from 'vitest';
import { members, type Open } from './read';
import { archive, type Item } from './write';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (words: string) => new TextEncoder().encode(words);

/** `data` as a stream of chunks of `step` bytes; `cancelled` tells whether its reader left. */
function stream(data: Uint8Array, step = 700) {
  let at = 0;
  const state = { sent: 0, cancelled: false };
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at >= data.length) return controller.close();
        controller.enqueue(data.subarray(at, at + step));
        at += step;
        state.sent = Math.min(at, data.length);
      },
      cancel: () => void (state.cancelled = true),
    },
    { highWaterMark: 0 },
  );
  return { body, state };
}

async function read(data: Uint8Array, step?: number) {
  const found: (Omit<Open, 'bytes' | 'pieces'> & { body: string })[] = [];
  for await (const { bytes, pieces: _, ...member } of members(stream(data, step).body)) {
    found.push({ ...member, body: text(await bytes()) });
  }
  return found;
}

const item = (name: string, more: Partial<Item> = {}): Item => ({
  name,
  kind: 'file',
  mode: 0o640,
  uid: 1000,
  gid: 100,
  mtime: 1_700_000_000,
  ...more,
});
const made = async (...items: Item[]) => new Uint8Array(await archive(items).arrayBuffer());

describe('an archive written here', () => {
  it.each([1, 512, 100_000])('is read here, in chunks of %i', async (step) => {
    const long = `${'long/'.repeat(40)}名字 🚢.txt`;
    const data = await made(
      item('folder', { kind: 'folder', mode: 0o2755 }),
      item('folder/a', { body: bytes('hello') }),
      item(long, { body: new Blob(['x'.repeat(1000)]), mtime: 1_700_000_000.25 }),
      item('empty', { uid: 5_000_000 }),
    );
    expect(await read(data, step)).toEqual([
      expect.objectContaining({ name: 'folder/', kind: 'folder', mode: 0o2755, body: '' }),
      expect.objectContaining({
        name: 'folder/a',
        mode: 0o640,
        uid: 1000,
        gid: 100,
        size: 5,
        mtime: 1_700_000_000,
        body: 'hello',
      }),
      expect.objectContaining({ name: long, mtime: 1_700_000_000.25, body: 'x'.repeat(1000) }),
      expect.objectContaining({ name: 'empty', uid: 5_000_000, size: 0, body: '' }),
    ]);
  });

  it('is passed over where nobody reads it, and left when nobody wants more', async () => {
    const data = await made(
      item('big', { body: new Uint8Array(100_000) }),
      item('next', { body: bytes('next') }),
      item('more'),
    );
    const { body, state } = stream(data);
    for await (const member of members(body)) {
      if (member.name !== 'next') continue;
      expect(text(await member.bytes(2))).toBe('ne');
      break;
    }
    expect(state.cancelled).toBe(true);
    expect(state.sent).toBeLessThan(data.length);
  });
});

describe('what is no whole archive', () => {
  it('says so of another file', () => expect(read(bytes('a'.repeat(600)))).rejects.toThrow('no tar archive'));

  it('says so of one that breaks off', async () => {
    const data = await made(item('a', { body: bytes('x'.repeat(2000)) }));
    await expect(read(data.subarray(0, 1000))).rejects.toThrow('ends too early');
  });
});
