/**
 * How pages reach the engine: as any Docker API client does, whatever carries the bytes. `http` goes over the address that served the
 * pages, `fake` to an engine simulated in the page. `tests/contract` holds the simulated engine and real ones to one suite.
 */
export interface Backend {
  /** One exchange; resolves when the head of the answer is there. Rejects with `Unreachable`, or with the signal's reason.
   * What carries the request may have a reason of its own (no program that could be the daemon), which is an error with words. */
  request(request: Request): Promise<Answer>;

  /** A request that the engine answers by handing over the connection (attach, start of an exec). */
  upgrade(request: Request): Promise<Upgrade>;
}

export interface Request {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Path with its query, as `/containers/json?all=1`; without version: the engine's newest. */
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | Blob;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: ReadableStream<Uint8Array>;
}

/** What became of a request for a connection: a duplex stream, or an ordinary answer that says why not. */
export type Upgrade = { duplex: Duplex } | { answer: Answer };

export interface Duplex {
  /** What the container's process writes: raw with a terminal, framed without (`api/frames.ts`). Ends when the connection does. */
  output: ReadableStream<Uint8Array>;
  /** True if `output` is framed. */
  framed: boolean;
  /** Resolves when the bytes are on their way; rejects when the connection has ended. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the process's standard input; its output goes on. */
  closeWrite(): Promise<void>;
  /** Ends the connection. */
  close(): void;
}

/** The engine could not be spoken to: no connection, or one that broke off before an answer. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}
