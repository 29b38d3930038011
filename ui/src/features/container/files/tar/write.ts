import { BLOCK } from './header';

/** What goes into a tar; a body is taken when the tar is sent. */
export interface Item {
  /** Without a slash at the beginning. */
  name: string;
  kind: 'file' | 'folder';
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since the epoch. */
  mtime: number;
  body?: Blob | Uint8Array<ArrayBuffer>;
}

const encoder = new TextEncoder();
/** The largest number in eleven octal digits. */
const MOST_SIZE = 0o77777777777;
const MOST_ID = 0o7777777;

/** A pax archive of `items`: plain ustar, with a pax header before what does not fit into it. */
export function archive(items: readonly Item[]): Blob {
  const parts: BlobPart[] = [];
  for (const item of items) {
    const body = item.kind === 'folder' ? undefined : item.body;
    const size = body === undefined ? 0 : body instanceof Blob ? body.size : body.length;
    const name = item.kind === 'folder' ? `${item.name.replace(/\/+$/, '')}/` : item.name;
    const more = beyond(name, size, item);
    if (more.length > 0) {
      const text = joined(more.map(record));
      parts.push(header({ ...item, name: 'pax', mode: 0o644 }, 'x', text.length), text, zeros(text.length));
    }
    parts.push(header({ ...item, name }, item.kind === 'folder' ? '5' : '0', size));
    if (body !== undefined) parts.push(body, zeros(size));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: 'application/x-tar' });
}

// Names are told as pax whenever they are long or not ASCII: how ustar's are to be read is open otherwise.
function beyond(name: string, size: number, { uid, gid, mtime }: Item): [string, string][] {
  const more: [string, string][] = [];
  if (name.length > 100 || !/^[\x20-\x7e]*$/.test(name)) more.push(['path', name]);
  if (size > MOST_SIZE) more.push(['size', String(size)]);
  if (uid > MOST_ID) more.push(['uid', String(uid)]);
  if (gid > MOST_ID) more.push(['gid', String(gid)]);
  if (!Number.isInteger(mtime)) more.push(['mtime', String(mtime)]);
  return more;
}

function header(item: Item, type: string, size: number): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(BLOCK);
  const put = (text: string, at: number, length: number) => block.set(encoder.encode(text).subarray(0, length), at);
  const octal = (value: number, digits: number) => Math.floor(value).toString(8).padStart(digits, '0');
  put(item.name, 0, 100);
  put(octal(item.mode & 0o7777, 7), 100, 7);
  put(octal(Math.min(item.uid, MOST_ID), 7), 108, 7);
  put(octal(Math.min(item.gid, MOST_ID), 7), 116, 7);
  put(octal(Math.min(size, MOST_SIZE), 11), 124, 11);
  put(octal(Math.min(Math.max(0, item.mtime), MOST_SIZE), 11), 136, 11);
  put('        ', 148, 8);
  put(type, 156, 1);
  put('ustar\0' + '00', 257, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 6)}\0 `, 148, 8);
  return block;
}

/** `length key=value\n`, where the length counts its own digits. */
function record([key, value]: [string, string]): Uint8Array<ArrayBuffer> {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return encoder.encode(`${length} ${key}=${value}\n`);
}

function zeros(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
