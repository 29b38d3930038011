import type { Duplex } from '../../backend';
import type { Call } from '../core/call';
import { conflict } from '../core/failure';
import { type Connection, connection } from './connection';
import type { Container } from './container';

/** Joins a page to a container's own streams, before its start or while it runs. */
export function attach(container: Container, call: Call): Duplex {
  if (container.state.is === 'paused') {
    throw conflict(`container ${call.name} is paused, unpause the container before attach`);
  }
  if (container.state.is === 'restarting') {
    throw conflict(`container ${call.name} is restarting, wait until the container is running`);
  }
  const wants = { stdout: call.flag('stdout'), stderr: call.flag('stderr') };
  const [live, past, stdin] = [call.flag('stream'), call.flag('logs'), call.flag('stdin')];
  const { Tty: tty, OpenStdin: open, StdinOnce: once } = container.config;
  const takes = stdin && live && open;
  const joined: Connection = connection({
    raw: tty,
    wants: (stream) => live && wants[stream],
    listen: (listener) => container.onOutput(listener),
    write: (bytes) => {
      if (takes) container.process?.type(bytes);
    },
    closeWrite: () => {
      if (takes && once) container.process?.input.end();
      // A client that has nothing more to say to what others may still speak to, is done.
      if (stdin && (tty || !once)) joined.end();
    },
    signal: call.signal,
  });
  if (past) {
    for (const message of container.log.messages) if (wants[message.stream]) joined.say(message.stream, message.bytes);
  }
  container.emit('attach');
  if (live) {
    container.onEnd(() => joined.end());
    container.onGone(() => joined.end());
  } else joined.end();
  return joined.duplex;
}
