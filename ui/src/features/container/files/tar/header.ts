/** What a member of a tar is (POSIX pax, with GNU's long names). */
export type Kind = 'file' | 'folder' | 'symlink' | 'hardlink' | 'character device' | 'block device' | 'pipe' | 'other';

export interface Member {
  name: string;
  kind: Kind;
  /** Permissions, with set-ID and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of its body. */
  size: number;
  /** Seconds since the epoch, with fraction. */
  mtime: number;
  /** What a link points to. */
  target: string;
}

export const BLOCK = 512;

const KINDS: Record<string, Kind> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character device',
  '4': 'block device',
  '5': 'folder',
  '6': 'pipe',
};

const decoder = new TextDecoder();

/** One header block as it stands: `type` says what the body is, which may be about the member behind. */
export interface Header extends Member {
  type: string;
}

/** Reads a header block; undefined for one of zeros, which ends the archive. Throws if it is no header. */
export function parse(block: Uint8Array): Header | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  // Old programs add up signed bytes; nobody who reads archives of an engine meets them.
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (sum !== number(block, 148, 8)) throw new Error('this is no tar archive');
  const type = String.fromCharCode(block[156]!);
  const prefix = text(block, 257, 5) === 'ustar' && block[262] === 0 ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    type,
    name: prefix === '' ? name : `${prefix}/${name}`,
    kind: KINDS[type] ?? 'other',
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
    target: text(block, 157, 100),
  };
}

function text(block: Uint8Array, from: number, length: number): string {
  const field = block.subarray(from, from + length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end));
}

/** Octal, or GNU's binary with the highest bit set. */
function number(block: Uint8Array, from: number, length: number): number {
  if (block[from]! & 0x80) {
    let value = block[from]! & 0x7f;
    for (let at = from + 1; at < from + length; at++) value = value * 256 + block[at]!;
    return value;
  }
  const digits = text(block, from, length).trim();
  return digits === '' ? 0 : parseInt(digits, 8);
}

/** The records of a pax header: `length key=value\n`, the length in bytes with itself. */
export function records(body: Uint8Array): Map<string, string> {
  const found = new Map<string, string>();
  let at = 0;
  while (at < body.length) {
    const space = body.indexOf(32, at);
    const length = Number(decoder.decode(body.subarray(at, space < 0 ? at : space)));
    if (!(length > 0) || at + length > body.length) break;
    const record = decoder.decode(body.subarray(space + 1, at + length - 1));
    const equals = record.indexOf('=');
    if (equals > 0) found.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return found;
}
