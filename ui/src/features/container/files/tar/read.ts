import { chunks } from '$lib/api/lines';
import { BLOCK, parse, records, type Header, type Member } from './header';

/** A member whose body can be read while it is its turn. */
export interface Open extends Member {
  /** At most `limit` bytes of the body. */
  bytes(limit?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** The body piece by piece. */
  pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>>;
}

/** Long names and pax headers beyond this are nobody's. */
const LONGEST = 1024 * 1024;

/**
 * The members of a tar as they come by; a body that is not read is passed over. Leaving the loop lets the sender know, so that a
 * folder of gigabytes is not sent for its first lines.
 */
export async function* members(tar: ReadableStream<Uint8Array>): AsyncGenerator<Open> {
  const input = new Input(tar);
  let about: Partial<Member> = {};
  let always: Partial<Member> = {};
  try {
    for (;;) {
      const block = await input.exactly(BLOCK);
      const header = block && parse(block);
      if (header === undefined) return;
      if ('xgLK'.includes(header.type)) {
        if (header.size > LONGEST) throw new Error('a header in the archive is too long');
        const body = await input.exactly(header.size);
        if (body === undefined) throw new Error('the archive ends too early');
        await input.skip(padding(header.size));
        if (header.type === 'g') always = { ...always, ...said(body) };
        else about = { ...about, ...(header.type === 'x' ? said(body) : named(header, body)) };
        continue;
      }
      const { type: _, ...member } = { ...header, ...always, ...about };
      about = {};
      // Only files have a body, whatever the size of others says (pax on links).
      const size = member.kind === 'file' || member.kind === 'other' ? member.size : 0;
      let left = size;
      const pieces = async function* () {
        while (left > 0) {
          const piece = await input.some(left);
          if (piece === undefined) throw new Error('the archive ends too early');
          left -= piece.length;
          yield piece;
        }
      };
      const bytes = async (limit = Infinity) => {
        const parts: Uint8Array[] = [];
        let length = 0;
        while (left > 0 && length < limit) {
          const piece = await input.some(Math.min(left, limit - length));
          if (piece === undefined) throw new Error('the archive ends too early');
          left -= piece.length;
          length += piece.length;
          parts.push(piece);
        }
        return joined(parts, length);
      };
      yield { ...member, size, pieces, bytes };
      await input.skip(left + padding(size));
    }
  } finally {
    await input.close();
  }
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function named(header: Header, body: Uint8Array): Partial<Member> {
  const end = body.indexOf(0);
  const value = new TextDecoder().decode(end < 0 ? body : body.subarray(0, end));
  return header.type === 'L' ? { name: value } : { target: value };
}

function said(body: Uint8Array): Partial<Member> {
  const given = records(body);
  const about: Partial<Member> = {};
  const path = given.get('path');
  const link = given.get('linkpath');
  if (path !== undefined) about.name = path;
  if (link !== undefined) about.target = link;
  for (const key of ['size', 'mtime', 'uid', 'gid'] as const) {
    const value = Number(given.get(key));
    if (given.has(key) && Number.isFinite(value)) about[key] = value;
  }
  return about;
}

function joined(parts: Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes of a stream by number instead of by chunk. */
class Input {
  readonly #chunks: AsyncGenerator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#chunks = chunks(stream);
  }

  /** One to `most` bytes; undefined at the end. */
  async some(most: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece as Uint8Array<ArrayBuffer>;
  }

  /** Just `length` bytes; undefined if the stream ends before. */
  async exactly(length: number): Promise<Uint8Array | undefined> {
    if (length === 0) return new Uint8Array();
    const parts: Uint8Array[] = [];
    for (let have = 0; have < length;) {
      const piece = await this.some(length - have);
      if (piece === undefined) return undefined;
      parts.push(piece);
      have += piece.length;
    }
    return parts.length === 1 ? parts[0] : joined(parts, length);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      const piece = await this.some(left);
      if (piece === undefined) return;
      left -= piece.length;
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return(undefined);
  }
}
