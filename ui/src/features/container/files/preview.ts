/** How the beginning of a file is shown. */
export type Shape = { as: 'text'; text: string } | { as: 'image'; type: string } | { as: 'binary' };

/** What is looked at of a file, and what of a text can be edited. */
export const PREVIEWED = 1024 * 1024;
export const EDITED = 512 * 1024;

// By what they begin with: names lie.
const IMAGES: [type: string, signs: (number | undefined)[]][] = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
  ['image/bmp', [0x42, 0x4d]],
  ['image/x-icon', [0, 0, 1, 0]],
  ['image/webp', [0x52, 0x49, 0x46, 0x46, undefined, undefined, undefined, undefined, 0x57, 0x45, 0x42, 0x50]],
  ['image/avif', [undefined, undefined, undefined, undefined, 0x66, 0x74, 0x79, 0x70, 0x61, 0x76, 0x69, 0x66]],
];

/** What `bytes`, the beginning of a file of that name, are shown as; `whole` if they are all of it. */
export function shape(name: string, bytes: Uint8Array, whole: boolean): Shape {
  const image = IMAGES.find(
    ([, signs]) => bytes.length > signs.length && signs.every((sign, at) => sign === undefined || bytes[at] === sign),
  );
  // Half an image is none.
  if (image !== undefined && whole) return { as: 'image', type: image[0] };
  const text = decode(bytes, whole);
  if (text === undefined) return { as: 'binary' };
  // As an image it can neither run scripts nor fetch anything.
  if (whole && /\.svg$/i.test(name) && /<svg[\s>]/.test(text)) return { as: 'image', type: 'image/svg+xml' };
  return { as: 'text', text };
}

function decode(bytes: Uint8Array, whole: boolean): string | undefined {
  try {
    // Its byte order mark stays: a file that is written again is to be as it was. A cut may go through a character.
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: !whole });
    return /[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** How the lines of a text end; undefined where they end in both ways: an editor could not keep that. */
export function lineEnds(text: string): '\n' | '\r\n' | undefined {
  const windows = text.match(/\r\n/g)?.length ?? 0;
  const all = text.match(/\n|\r(?!\n)/g)?.length ?? 0;
  if (windows === 0 && !text.includes('\r')) return '\n';
  return windows === all ? '\r\n' : undefined;
}

const WIDTH = 16;

export function hexRows(bytes: Uint8Array): number {
  return Math.ceil(bytes.length / WIDTH);
}

/** A row as hexdump -C writes it. */
export function hexRow(bytes: Uint8Array, row: number): string {
  const part = bytes.subarray(row * WIDTH, (row + 1) * WIDTH);
  const codes = Array.from({ length: WIDTH }, (_, at) =>
    at < part.length ? part[at]!.toString(16).padStart(2, '0') : '  ',
  );
  const letters = Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
  const at = (row * WIDTH).toString(16).padStart(8, '0');
  return `${at}  ${codes.slice(0, 8).join(' ')}  ${codes.slice(8).join(' ')}  |${letters}|`;
}
