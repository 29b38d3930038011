import type { JsonMessage } from '$lib/api/generated';
import type { Answer } from '../../backend';
import { Failure } from '../core/failure';
import { Outlet } from '../core/outlet';
import { line, stream } from '../core/reply';

/** Where the work tells of its progress; it stops when nobody listens any more. */
export interface Sink {
  status(text: string, id?: string): void;
  step(id: string, text: string): void;
  count(id: string, text: string, current: number, total: number): void;
  send(message: JsonMessage): void;
  readonly open: boolean;
}

/**
 * If the work fails before it said anything the failure is the answer, unless the stream has `begun` without a word; later it is the last
 * line of the stream.
 */
export async function progress(
  signal: AbortSignal | undefined,
  work: (sink: Sink) => Promise<void>,
  begun = false,
): Promise<Answer> {
  const outlet = new Outlet(signal);
  let first = () => {};
  const spoken = new Promise<void>((resolve) => (first = resolve));
  const send = (message: JsonMessage) => {
    outlet.push(line(message));
    first();
  };
  const sink: Sink = {
    send,
    status: (text, id) => send({ status: text, ...(id === undefined ? {} : { id }) }),
    step: (id, text) => send({ status: text, progressDetail: {}, id }),
    count: (id, text, current, total) =>
      send({ status: text, progressDetail: { current, total }, progress: bar(current, total), id }),
    get open() {
      return outlet.open;
    },
  };
  const done = work(sink).then(
    () => outlet.end(),
    (error: unknown) => {
      if (!(error instanceof Failure)) throw error;
      return error;
    },
  );
  const failure = await Promise.race([spoken, done]);
  if (failure instanceof Failure && !begun) throw failure;
  void done.then((error) => {
    if (!(error instanceof Failure)) return;
    send({ errorDetail: { message: error.message }, error: error.message });
    outlet.end();
  });
  return stream(outlet.stream, 'application/json');
}

/** The bar for clients that do not draw their own. */
function bar(current: number, total: number): string {
  const columns = Math.floor((Math.min(current, total) * 50) / total);
  const sizes = `${size(current).padStart(8)}/${size(total)}`;
  return `[${'='.repeat(columns)}>${' '.repeat(50 - columns)}] ${sizes}`;
}

function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let left = bytes;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${Number(left.toPrecision(4))}${units[unit]}`;
}
