import type { Duplex } from '../../backend';
import { Outlet } from '../core/outlet';
import type { Stream } from '../process/process';
import { framed } from './logs';

export interface Ends {
  /** Output without frames: that of a terminal. */
  raw: boolean;
  wants: (stream: Stream) => boolean;
  listen: (listener: (stream: Stream, bytes: Uint8Array) => void) => () => void;
  write: (bytes: Uint8Array) => void;
  closeWrite: () => void;
  signal?: AbortSignal;
}

export interface Connection {
  duplex: Duplex;
  say: (stream: Stream, bytes: Uint8Array) => void;
  end: () => void;
}

/** A connection that the engine handed over, between a page and a process. */
export function connection(ends: Ends): Connection {
  const outlet = new Outlet(ends.signal);
  const say = (stream: Stream, bytes: Uint8Array) => outlet.push(ends.raw ? bytes : framed(stream, bytes));
  outlet.whenGone(
    ends.listen((stream, bytes) => {
      if (ends.wants(stream)) say(stream, bytes);
    }),
  );
  let writable = true;
  const refuseIfClosed = () => {
    if (!writable || !outlet.open) throw new Error('the connection has ended');
  };
  const duplex: Duplex = {
    output: outlet.stream,
    framed: !ends.raw,
    async write(bytes) {
      refuseIfClosed();
      ends.write(bytes);
    },
    async closeWrite() {
      refuseIfClosed();
      writable = false;
      ends.closeWrite();
    },
    close() {
      outlet.end();
    },
  };
  return { duplex, say, end: () => outlet.end() };
}
