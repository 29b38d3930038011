import { invalid } from '../core/failure';
import type { Call } from '../core/call';
import { Outlet } from '../core/outlet';
import { MULTIPLEXED_STREAM, RAW_STREAM, encode } from '../core/reply';
import { fixed } from '../core/time';
import type { World } from '../world';
import type { Container } from './container';
import { type Message } from './log';

export interface Wanted {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  since?: number;
  until?: number;
  /** `undefined`: all. */
  tail?: number;
}

/** After so many messages whoever reads gets its turn. */
const AT_ONCE = 500;

export function wanted(call: Call): Wanted {
  const [stdout, stderr] = [call.flag('stdout'), call.flag('stderr')];
  if (!stdout && !stderr) throw invalid('Bad parameters: you must choose at least one stream');
  const tail = call.query.get('tail') ?? '';
  return {
    stdout,
    stderr,
    follow: call.flag('follow'),
    timestamps: call.flag('timestamps'),
    since: call.time('since'),
    until: call.time('until') || undefined,
    tail: /^\d+$/.test(tail) ? Number(tail) : undefined,
  };
}

export function typeOf(container: Container): string {
  return container.config.Tty ? RAW_STREAM : MULTIPLEXED_STREAM;
}

/** A container's log as a stream; with `follow` until its run ends. */
export function read(world: World, container: Container, want: Wanted, signal?: AbortSignal): Outlet {
  const outlet = new Outlet(signal);
  const log = container.log;
  const raw = container.config.Tty;
  // Of a container that does not run nothing more will come.
  const following = want.follow && container.process !== undefined;
  let next = log.dropped + (want.tail === undefined ? 0 : Math.max(0, log.messages.length - want.tail));
  let over = false;
  let wake = () => {};
  const stop = log.follow(() => wake());
  const ended = container.onEnd(() => {
    over = true;
    wake();
  });
  outlet.whenGone(() => {
    stop();
    ended();
    wake();
  });
  const pump = async () => {
    while (outlet.open) {
      next = Math.max(next, log.dropped);
      const batch = log.messages.slice(next - log.dropped, next - log.dropped + AT_ONCE);
      next += batch.length;
      for (const message of batch) {
        if (want.until !== undefined && message.time > want.until) return outlet.end();
        outlet.push(frame(message, want, raw));
      }
      await outlet.room();
      if (batch.length > 0) continue;
      if (!following || over) return outlet.end();
      const left = want.until === undefined ? undefined : want.until - world.clock.now();
      if (left !== undefined && left <= 0) return outlet.end();
      const cancel = left === undefined ? undefined : world.clock.after(left, () => wake());
      await new Promise<void>((resolve) => (wake = resolve));
      cancel?.();
    }
  };
  void pump();
  return outlet;
}

function frame(message: Message, want: Wanted, raw: boolean): Uint8Array {
  if (!want[message.stream]) return new Uint8Array();
  if (want.since !== undefined && message.time < want.since) return new Uint8Array();
  const stamp = want.timestamps ? encode(`${fixed(message.time)} `) : new Uint8Array();
  const bytes = new Uint8Array(stamp.length + message.bytes.length);
  bytes.set(stamp);
  bytes.set(message.bytes, stamp.length);
  return raw ? bytes : framed(message.stream, bytes);
}

/** Eight bytes before each piece: the stream, three zeros, the length in big-endian. */
export function framed(stream: 'stdout' | 'stderr', bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(8 + bytes.length);
  whole[0] = stream === 'stdout' ? 1 : 2;
  new DataView(whole.buffer).setUint32(4, bytes.length);
  whole.set(bytes, 8);
  return whole;
}
