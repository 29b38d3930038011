import { type Answer, type Duplex, type Request, Unreachable } from '../../backend';
import { refused } from './reply';

/** What goes wrong, and with which requests. */
export interface Fault {
  /** Of the path with its query. */
  path: RegExp;
  method?: Request['method'];
  /** What the engine answers; `unreachable`: nothing. Without it the answer is the true one, as far as `after` lets it come. */
  status?: number | 'unreachable';
  message?: string;
  /** So many requests; without it all. */
  times?: number;
  /** The connection breaks after so many bytes of the answer's body. */
  after?: number;
}

/** Failures that tests and scenes ask for. */
export class Faults {
  #all: Fault[] = [];

  add(fault: Fault): () => void {
    const own = { ...fault };
    this.#all.push(own);
    return () => {
      this.#all = this.#all.filter((other) => other !== own);
    };
  }

  clear(): void {
    this.#all = [];
  }

  /** What is to go wrong with a request. The last that was asked for counts. */
  of({ path, method }: Request): Fault | undefined {
    const fits = (fault: Fault) =>
      (fault.method === undefined || fault.method === method) &&
      fault.times !== 0 &&
      new RegExp(fault.path.source, fault.path.flags.replace(/[gy]/g, '')).test(path);
    const fault = this.#all.findLast(fits);
    if (fault?.times !== undefined) fault.times -= 1;
    return fault;
  }

  /** The answer in place of the engine's, if the fault is one. */
  instead(fault: Fault): Answer | undefined {
    if (fault.status === 'unreachable') throw new Unreachable(fault.message ?? 'connect: connection refused');
    if (fault.status === undefined) return undefined;
    return refused(fault.status, fault.message ?? `status ${fault.status}`);
  }

  cut({ after, message }: Fault, answer: Answer): Answer {
    return after === undefined ? answer : { ...answer, body: broken(answer.body, after, message) };
  }

  cutDuplex({ after, message }: Fault, duplex: Duplex): Duplex {
    if (after === undefined) return duplex;
    return {
      output: broken(duplex.output, after, message),
      framed: duplex.framed,
      write: (bytes) => duplex.write(bytes),
      closeWrite: () => duplex.closeWrite(),
      close: () => duplex.close(),
    };
  }
}

/** The first `after` bytes, then a connection that has broken. */
function broken(
  body: ReadableStream<Uint8Array>,
  after: number,
  message = 'the connection was reset',
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let left = after;
  return new ReadableStream({
    async pull(controller) {
      if (left <= 0) {
        controller.error(new Unreachable(message));
        await reader.cancel();
        return;
      }
      const { done, value } = await reader.read();
      if (done) return controller.close();
      controller.enqueue(value.subarray(0, left));
      left -= value.length;
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
