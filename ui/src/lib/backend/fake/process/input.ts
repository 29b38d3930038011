/** A process's standard input: read by line or by piece, in the order in which it came. */
export class Input {
  #pieces: Uint8Array[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(bytes: Uint8Array): void {
    if (this.#ended || bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The next piece; `undefined` at the end. */
  async read(): Promise<Uint8Array | undefined> {
    while (this.#pieces.length === 0) {
      if (this.#ended) return undefined;
      await new Promise<void>((wake) => (this.#wake = wake));
      this.#wake = undefined;
    }
    return this.#pieces.shift();
  }

  /** The next line without its end; a last one without an end counts. */
  async line(): Promise<string | undefined> {
    const decoder = new TextDecoder();
    let line = '';
    for (;;) {
      const piece = await this.read();
      if (piece === undefined) return line === '' ? undefined : line;
      const at = piece.indexOf(10);
      if (at < 0) {
        line += decoder.decode(piece, { stream: true });
        continue;
      }
      if (at + 1 < piece.length) this.#pieces.unshift(piece.subarray(at + 1));
      return line + decoder.decode(piece.subarray(0, at));
    }
  }
}
