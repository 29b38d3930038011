import type { ContainerTop } from '$lib/api/generated';
import { conflict, invalid } from '../core/failure';
import type { World } from '../world';
import type { Container } from './container';

const COLUMNS: Record<string, (process: Row) => string> = {
  UID: (row) => row.user,
  USER: (row) => row.user,
  PID: (row) => String(row.pid),
  PPID: (row) => String(row.parent),
  C: () => '0',
  STIME: (row) => row.start,
  TTY: () => '?',
  TIME: (row) => row.time,
  CMD: (row) => row.command,
  COMMAND: (row) => row.command,
  '%CPU': (row) => row.cpu,
  '%MEM': () => '0.1',
  VSZ: () => '4400',
  RSS: () => '1600',
  STAT: () => 'Ss',
  START: (row) => row.start,
};
const FULL = ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'];
const AUX = ['USER', 'PID', '%CPU', '%MEM', 'VSZ', 'RSS', 'TTY', 'STAT', 'START', 'TIME', 'COMMAND'];

interface Row {
  user: string;
  pid: number;
  parent: number;
  start: string;
  time: string;
  cpu: string;
  command: string;
}

/** The processes of a container as `ps` lists them; of its arguments the styles and lists of columns that pages use. */
export function top(world: World, container: Container, args: string): ContainerTop {
  const titles = columns(args);
  const { state } = container;
  if (state.is === 'restarting')
    throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
  if (!('pid' in state)) throw conflict(`container ${container.id} is not running`);
  const { load } = container;
  const spent = new Date(Math.max(0, load.cpu[0] * (world.clock.now() - state.since))).toISOString().slice(11, 19);
  const started = new Date(state.since).toISOString().slice(11, 16);
  const rows = Array.from({ length: Math.max(1, load.processes) }, (_, index): Row => ({
    user: container.config.User || 'root',
    pid: state.pid + index,
    parent: index === 0 ? 1 : state.pid,
    start: started,
    time: index === 0 ? spent : '00:00:00',
    cpu: (load.cpu[0] * 100).toFixed(1),
    command: index === 0 ? container.command.join(' ') : `${container.command[0]}: worker process`,
  }));
  container.emit('top');
  return { Titles: titles, Processes: rows.map((row) => titles.map((title) => COLUMNS[title]!(row))) };
}

function columns(args: string): string[] {
  const listed = /^(?:-e|-ax|ax)?-?o\s*(.+)$/.exec(args.trim());
  if (listed) {
    return listed[1]!.split(/[ ,]+/).map((word) => {
      const title = { args: 'COMMAND', comm: 'COMMAND', pcpu: '%CPU', user: 'USER' }[word] ?? word.toUpperCase();
      if (COLUMNS[title] === undefined) throw invalid(`ps: error: unknown user-defined format specifier "${word}"`);
      return title;
    });
  }
  if (!/^-?[aAdefFglTuwxrH ]+$/.test(args)) throw invalid(`ps: unsupported argument: ${args}`);
  return /^-?[a-zA-Z]*u/.test(args) ? AUX : FULL;
}
