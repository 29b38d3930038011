/** Splits a stream of bytes into lines without their ends; a last line without an end counts. */
export async function* lines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  // Pieces of a line that has not ended are kept apart: adding them up would copy a long line once for every piece.
  let open: string[] = [];
  for await (const bytes of chunks(body)) {
    const parts = decoder.decode(bytes, { stream: true }).split('\n');
    for (const part of parts.slice(0, -1)) {
      yield open.join('') + part;
      open = [];
    }
    open.push(parts.at(-1)!);
  }
  const rest = open.join('') + decoder.decode();
  if (rest !== '') yield rest;
}

/** Values of a stream of JSON, one a line (events, statistics, progress). */
export async function* values<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  for await (const line of lines(body)) if (line.trim() !== '') yield JSON.parse(line) as T;
}

/** The chunks of a stream; leaving the loop early lets the sender know. WebKit has no iterator on streams. */
export async function* chunks<T = Uint8Array>(body: ReadableStream<T>): AsyncGenerator<T> {
  const reader = body.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}
