/** Archives as the engine sends and takes them: POSIX ustar, with pax records for names that are too long for it. */
import type { Folder, Node } from './tree';

const BLOCK = 512;

/** The archive of `node` under `name`; a folder with all that is in it. Empty `name`: what is in the folder alone. */
export function pack(name: string, node: Node): Uint8Array {
  const blocks: Uint8Array[] = [];
  add(blocks, name, node);
  blocks.push(new Uint8Array(2 * BLOCK));
  return joined(blocks);
}

function add(blocks: Uint8Array[], name: string, node: Node): void {
  if (name !== '') {
    const title = node.kind === 'folder' ? `${name}/` : name;
    const content = node.kind === 'file' ? node.content : new Uint8Array();
    const to = node.kind === 'link' ? node.to : '';
    const records = [...record('path', title), ...(to === '' ? [] : record('linkpath', to))].join('');
    if (records !== '') {
      const bytes = new TextEncoder().encode(records);
      blocks.push(header('PaxHeaders/0', 'x', bytes.length, { ...node, mode: 0o644 }, ''), padded(bytes));
    }
    const type = node.kind === 'folder' ? '5' : node.kind === 'link' ? '2' : '0';
    blocks.push(header(title, type, content.length, node, to), padded(content));
  }
  if (node.kind !== 'folder') return;
  for (const [child, inside] of [...node.children].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    add(blocks, name === '' ? child : `${name}/${child}`, inside);
  }
}

/** A pax record for a text that has no room in its field of the header. */
function record(key: string, text: string): string[] {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes <= 100 && /^[\x01-\x7f]*$/.test(text)) return [];
  const rest = ` ${key}=${text}\n`;
  const length = new TextEncoder().encode(rest).length;
  // The length counts its own digits.
  let total = length + String(length).length;
  total = length + String(total).length;
  return [`${total}${rest}`];
}

function header(
  name: string,
  type: string,
  size: number,
  node: Pick<Node, 'mode' | 'time' | 'uid' | 'gid'>,
  to: string,
): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const text = (at: number, length: number, value: string) =>
    block.set(new TextEncoder().encode(value).subarray(0, length), at);
  const octal = (at: number, length: number, value: number) =>
    text(at, length, `${value.toString(8).padStart(length - 1, '0')}\0`);
  text(0, 100, name);
  octal(100, 8, node.mode & 0o7777);
  octal(108, 8, node.uid);
  octal(116, 8, node.gid);
  octal(124, 12, size);
  octal(136, 12, Math.max(0, Math.floor(node.time / 1000)));
  text(148, 8, '        ');
  text(156, 1, type);
  text(157, 100, to);
  text(257, 8, 'ustar\x0000');
  const owner = node.uid === 0 ? 'root' : '';
  text(265, 32, owner);
  text(297, 32, owner);
  octal(
    148,
    7,
    block.reduce((sum, byte) => sum + byte, 0),
  );
  return block;
}

function padded(content: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(content.length / BLOCK) * BLOCK);
  whole.set(content);
  return whole;
}

export function joined(pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export interface Entry {
  name: string;
  node: Node;
}

/** What is in an archive. Throws if it is none. */
export function unpack(archive: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  let records: Record<string, string> = {};
  let at = 0;
  while (at + BLOCK <= archive.length) {
    const block = archive.subarray(at, at + BLOCK);
    if (block.every((byte) => byte === 0)) return entries;
    verify(block);
    const size = octal(block, 124, 12);
    const content = archive.slice(at + BLOCK, at + BLOCK + size);
    if (content.length < size) throw new Error('unexpected EOF');
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = String.fromCharCode(block[156] || 0x30);
    if (type === 'x') {
      records = { ...records, ...paxRecords(content) };
      continue;
    }
    if (type === 'L' || type === 'K') {
      records[type === 'L' ? 'path' : 'linkpath'] = text(content, 0, content.length);
      continue;
    }
    if (type !== 'g') entries.push(entry(block, type, content, records));
    records = {};
  }
  return entries;
}

function entry(block: Uint8Array, type: string, content: Uint8Array, records: Record<string, string>): Entry {
  const prefix = text(block, 257, 5) === 'ustar' ? text(block, 345, 155) : '';
  const name = records.path ?? (prefix === '' ? text(block, 0, 100) : `${prefix}/${text(block, 0, 100)}`);
  const common = {
    mode: octal(block, 100, 8) & 0o7777,
    uid: octal(block, 108, 8),
    gid: octal(block, 116, 8),
    time: octal(block, 136, 12) * 1000,
  };
  if (type === '5') return { name, node: { kind: 'folder', children: new Map(), ...common } satisfies Folder };
  if (type === '2') return { name, node: { kind: 'link', to: records.linkpath ?? text(block, 157, 100), ...common } };
  return { name, node: { kind: 'file', content, ...common } };
}

function verify(block: Uint8Array): void {
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 0x20 : byte;
  if (sum !== octal(block, 148, 8)) throw new Error('archive/tar: invalid tar header');
}

function octal(block: Uint8Array, at: number, length: number): number {
  return parseInt(text(block, at, length).trim() || '0', 8);
}

function text(block: Uint8Array, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function paxRecords(content: Uint8Array): Record<string, string> {
  const records: Record<string, string> = {};
  let at = 0;
  while (at < content.length) {
    const space = content.indexOf(0x20, at);
    const length = Number(new TextDecoder().decode(content.subarray(at, space)));
    if (space < 0 || !Number.isInteger(length) || length <= 0) throw new Error('archive/tar: invalid tar header');
    const [key = '', ...value] = new TextDecoder().decode(content.subarray(space + 1, at + length - 1)).split('=');
    records[key] = value.join('=');
    at += length;
  }
  return records;
}
