import { type Node, type Tree, parts, size } from '../files/tree';
import { encode } from './process';
import { type Job, absolute } from './shell';

type Command = (job: Job) => number | Promise<number>;

/** What every simulated image can run, by name. */
export const COMMANDS: Record<string, Command> = {
  ':': () => 0,
  true: () => 0,
  false: () => 1,

  echo: ({ args, out }) => {
    const bare = args[0] === '-n';
    const text = (bare ? args.slice(1) : args).join(' ');
    out(bare ? text : `${text}\n`);
    return 0;
  },

  printf: ({ args, out }) => {
    const [format = '', ...values] = args;
    const filled = format.replace(/%[sd]/g, () => values.shift() ?? '');
    out(filled.replace(/\\([nrtea\\]|033|x1b)/g, (_, code: string) => ESCAPES[code]!));
    return 0;
  },

  pwd: ({ process, out }) => {
    out(`${process.cwd}\n`);
    return 0;
  },

  cd: ({ process, args, shell, err }) => {
    const to = args[0] ?? shell.variables.HOME ?? '/';
    const { files } = process.setting;
    if (!files.has(absolute(process, to)) || files.find(absolute(process, to)).kind !== 'folder') {
      err(`sh: cd: can't cd to ${to}: No such file or directory\n`);
      return 2;
    }
    process.cwd = `/${parts(absolute(process, to)).join('/')}`;
    return 0;
  },

  ls,

  cat: async ({ process, args, input, out }) => {
    if (args.length === 0) {
      for (let piece = await input.read(); piece !== undefined; piece = await input.read()) out(piece);
      return 0;
    }
    return each('cat', { process, args, out }, (path) => out(process.setting.files.read(path)));
  },

  head: (job) => lines(job, (all, count) => all.slice(0, count)),
  tail: (job) => lines(job, (all, count) => all.slice(-count)),
  wc: async (job) => {
    const text = await everything(job);
    const words = text.split(/\s+/).filter((word) => word !== '').length;
    job.out(
      job.args.includes('-l')
        ? `${text.split('\n').length - 1}\n`
        : `${text.split('\n').length - 1} ${words} ${encode(text).length}\n`,
    );
    return 0;
  },
  grep: async (job) => {
    const [pattern = '', ...files] = job.args.filter((arg) => !arg.startsWith('-'));
    const all = (await everything({ ...job, args: files })).split('\n');
    const found = all.filter((line) => line.includes(pattern));
    for (const line of found) job.out(`${line}\n`);
    return found.length > 0 ? 0 : 1;
  },

  mkdir: ({ process, args, err }) => {
    const { files, clock } = process.setting;
    for (const path of plain(args)) {
      if (files.has(absolute(process, path)) && !args.includes('-p')) {
        err(`mkdir: can't create directory '${path}': File exists\n`);
        return 1;
      }
      files.makeFolder(absolute(process, path), { time: clock.now() });
    }
    return 0;
  },

  touch: ({ process, args }) => {
    const { files, clock } = process.setting;
    for (const path of plain(args)) {
      const at = absolute(process, path);
      files.write(at, files.has(at) ? files.read(at) : '', { time: clock.now() });
    }
    return 0;
  },

  rm: ({ process, args, err }) => {
    const recursive = args.some((arg) => /^-\w*[rR]/.test(arg));
    const force = args.some((arg) => /^-\w*f/.test(arg));
    for (const path of plain(args)) {
      if (!process.setting.files.has(absolute(process, path))) {
        if (force) continue;
        err(`rm: can't remove '${path}': No such file or directory\n`);
        return 1;
      }
      process.setting.files.remove(absolute(process, path), recursive);
    }
    return 0;
  },

  test: ({ process, args }) =>
    tested(
      process.setting.files,
      args.map((arg) => (arg.startsWith('/') || arg.startsWith('-') ? arg : absolute(process, arg))),
    )
      ? 0
      : 1,
  '[': (job) => COMMANDS.test!({ ...job, args: job.args.slice(0, -1) }),

  env: ({ shell, out }) => {
    for (const [name, value] of Object.entries(shell.variables)) out(`${name}=${value}\n`);
    return 0;
  },
  export: ({ shell, args }) => {
    for (const arg of args) {
      const at = arg.indexOf('=');
      if (at > 0) shell.variables[arg.slice(0, at)] = arg.slice(at + 1);
    }
    return 0;
  },
  exit: ({ shell, args }) => (shell.leaving = args[0] === undefined ? shell.status : Number(args[0]) & 0xff),
  trap: ({ shell, args }) => {
    for (const name of args.slice(1)) shell.trap(args[0]!, name);
    return 0;
  },
  /** `command -v NAME`: whether there is such a program, said by its status, as scripts ask before they use one. */
  command: async (job) => {
    const [flag, name = ''] = job.args;
    if (flag !== '-v') return job.shell.invoke({ ...job, args: job.args.slice(1) }, flag ?? 'true');
    if (!Object.hasOwn(COMMANDS, name)) return 127;
    job.out(`/bin/${name}\n`);
    return 0;
  },
  exec: async (job) => {
    const [name, ...args] = job.args;
    if (name === undefined) return 0;
    job.shell.leaving = await job.shell.invoke({ ...job, args }, name);
    return job.shell.leaving;
  },
  sh: async (job) => {
    const at = job.args.indexOf('-c');
    if (at < 0) return job.shell.interact();
    return job.shell.run(job.args[at + 1] ?? '');
  },

  sleep: async ({ process, args, err }) => {
    const [text = ''] = args;
    const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text);
    if (text !== 'infinity' && match === null) {
      err(`sleep: invalid number '${text}'\n`);
      return 1;
    }
    const seconds =
      match === null ? Infinity : Number(match[1]) * { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }[match[2]!]!;
    // The longest that a browser's timer takes; nobody waits that long for a simulation.
    await process.sleep(Math.min(seconds * 1000, 2 ** 31 - 1));
    return 0;
  },

  date: ({ process, out }) => {
    out(`${new Date(process.setting.clock.now()).toUTCString()}\n`);
    return 0;
  },
  hostname: ({ process, out }) => {
    out(`${process.setting.hostname}\n`);
    return 0;
  },
  whoami: ({ process, out }) => {
    out(`${process.setting.user}\n`);
    return 0;
  },
  id: ({ process, out }) => {
    out(
      process.setting.user === 'root'
        ? 'uid=0(root) gid=0(root) groups=0(root)\n'
        : `uid=1000(${process.setting.user}) gid=1000\n`,
    );
    return 0;
  },
  uname: ({ process, args, out }) => {
    out(args.includes('-a') ? `Linux ${process.setting.hostname} 6.12.0-berth #1 SMP x86_64 GNU/Linux\n` : 'Linux\n');
    return 0;
  },
  ps: ({ process, out }) => {
    out(
      `PID   USER     TIME  COMMAND\n    1 ${process.setting.user.padEnd(8)}  0:00 ${process.setting.args.join(' ')}\n`,
    );
    return 0;
  },
  stty: ({ process, args, out }) => {
    if (args[0] === 'size') out(`${process.terminal?.size.join(' ') ?? '0 0'}\n`);
    return 0;
  },
  clear: ({ out }) => {
    out('\x1b[H\x1b[2J');
    return 0;
  },
  seq: ({ args, out }) => {
    const [first, last] = args.length > 1 ? [Number(args[0]), Number(args[1])] : [1, Number(args[0])];
    for (let number = first; number <= last; number++) out(`${number}\n`);
    return 0;
  },
};

const ESCAPES: Record<string, string> = {
  n: '\n',
  r: '\r',
  t: '\t',
  e: '\x1b',
  a: '\x07',
  '\\': '\\',
  '033': '\x1b',
  x1b: '\x1b',
};

function plain(args: string[]): string[] {
  return args.filter((arg) => !arg.startsWith('-'));
}

/** Does `what` with each file, and says of which it cannot. */
function each(
  name: string,
  { process, args }: Pick<Job, 'process' | 'args' | 'out'>,
  what: (path: string) => void,
): number {
  let status = 0;
  for (const path of plain(args)) {
    try {
      what(absolute(process, path));
    } catch (error) {
      process.err(`${name}: ${name === 'cat' ? "can't open " : ''}'${path}': ${(error as Error).message}\n`);
      status = 1;
    }
  }
  return status;
}

async function everything({ process, args, input }: Job): Promise<string> {
  const files = plain(args).filter((arg) => !/^\d+$/.test(arg));
  if (files.length > 0) return files.map((path) => process.setting.files.text(absolute(process, path))).join('');
  let text = '';
  for (let line = await input.line(); line !== undefined; line = await input.line()) text += `${line}\n`;
  return text;
}

async function lines(job: Job, choose: (all: string[], count: number) => string[]): Promise<number> {
  const at = job.args.indexOf('-n');
  const count = Number(at >= 0 ? job.args[at + 1] : (/^-(\d+)$/.exec(job.args[0] ?? '')?.[1] ?? 10));
  const all = (await everything(job)).split('\n').slice(0, -1);
  for (const line of choose(all, count)) job.out(`${line}\n`);
  return 0;
}

function tested(files: Tree, args: string[]): boolean {
  if (args[0] === '!') return !tested(files, args.slice(1));
  const [what, path = ''] = args;
  const node = files.has(path) ? files.find(path) : undefined;
  if (what === '-e') return node !== undefined;
  if (what === '-f') return node?.kind === 'file';
  if (what === '-d') return node?.kind === 'folder';
  if (args.length === 3) return args[1] === '=' ? args[0] === args[2] : args[0] !== args[2];
  return (what ?? '') !== '';
}

function ls(job: Job): number {
  const { process, args, out } = job;
  const flags = args.filter((arg) => arg.startsWith('-')).join('');
  const paths = plain(args);
  let status = 0;
  for (const path of paths.length > 0 ? paths : [process.cwd]) {
    const { files } = process.setting;
    if (!files.has(absolute(process, path))) {
      job.err(`ls: ${path}: No such file or directory\n`);
      status = 1;
      continue;
    }
    const found = files.find(absolute(process, path));
    const all: [string, Node][] = found.kind === 'folder' ? [...found.children] : [[path, found]];
    const shown = all
      .filter(([name]) => flags.includes('a') || !name.startsWith('.'))
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, node] of shown) out(flags.includes('l') ? `${long(name, node)}\n` : `${name}\n`);
  }
  return status;
}

function long(name: string, node: Node): string {
  const letters = [...'rwxrwxrwx'].map((letter, index) => (node.mode & (1 << (8 - index)) ? letter : '-')).join('');
  const kind = { folder: 'd', file: '-', link: 'l' }[node.kind];
  const bytes = node.kind === 'folder' ? 4096 : size(node);
  const date = new Date(node.time).toUTCString().slice(5, 22);
  const target = node.kind === 'link' ? ` -> ${node.to}` : '';
  return `${kind}${letters}    1 ${node.uid === 0 ? 'root' : String(node.uid)}     ${node.gid === 0 ? 'root' : String(node.gid)}     ${String(bytes).padStart(9)} ${date} ${name}${target}`;
}
