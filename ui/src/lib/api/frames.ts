/**
 * The engine's framing of standard output and error on one connection: eight bytes (stream, three zeros, length in big-endian) before each
 * piece. Engine API, "Stream format" of ContainerAttach.
 */
export type Piece = { stream: 'stdin' | 'stdout' | 'stderr'; bytes: Uint8Array };

const STREAMS = ['stdin', 'stdout', 'stderr'] as const;
const HEADER = 8;

/** Puts frames together from chunks that may begin and end anywhere; a piece is handed on as it comes, not when it is whole. */
export class Frames {
  #header = new Uint8Array(HEADER);
  #have = 0;
  #left = 0;
  #stream: Piece['stream'] = 'stdout';

  /** The pieces in `chunk`. Throws if it is no such framing. */
  push(chunk: Uint8Array): Piece[] {
    const pieces: Piece[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const take = Math.min(HEADER - this.#have, chunk.length - at);
        this.#header.set(chunk.subarray(at, at + take), this.#have);
        this.#have += take;
        at += take;
        if (this.#have < HEADER) break;
        this.#have = 0;
        this.#begin();
        continue;
      }
      const take = Math.min(this.#left, chunk.length - at);
      pieces.push({ stream: this.#stream, bytes: chunk.subarray(at, at + take) });
      this.#left -= take;
      at += take;
    }
    return pieces;
  }

  #begin(): void {
    const stream = STREAMS[this.#header[0]!];
    if (stream === undefined) throw new Error(`a frame for stream ${this.#header[0]}, which there is not`);
    this.#stream = stream;
    this.#left = new DataView(this.#header.buffer).getUint32(4);
  }
}
