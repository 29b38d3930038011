import { Failure } from '../core/failure';
import type { Tree } from '../files/tree';
import { COMMANDS } from './commands';
import type { Process, Program } from './process';
import { Shell } from './shell';

/** Why a command cannot be begun: the exit code that stands for it, and the runtime's words. */
export class Unstartable extends Failure {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(400, message);
  }
}

/** What a command does: a program that the image brings, or one of the little shell's. */
export function programOf(args: string[], files: () => Tree, own: Record<string, Program>): Program {
  const [name = ''] = args;
  const base = name.split('/').at(-1)!;
  const program = Object.hasOwn(own, base) ? own[base] : undefined;
  if (program) return program;
  if (name.includes('/') && !files().has(name)) {
    throw new Unstartable(127, `exec: "${name}": stat ${name}: no such file or directory`);
  }
  if (name.includes('/') && files().find(name).kind === 'folder')
    throw new Unstartable(126, `exec: "${name}": is a directory`);
  if (!Object.hasOwn(COMMANDS, base)) {
    throw new Unstartable(127, `exec: "${name}": executable file not found in $PATH`);
  }
  return (process) => void shell(process, base);
}

async function shell(process: Process, name: string): Promise<void> {
  const shell = new Shell(process);
  const job = {
    process,
    shell,
    args: process.setting.args.slice(1),
    input: process.input,
    out: (text: string | Uint8Array) => process.out(text),
    err: (text: string) => process.err(text),
  };
  const status = await shell.invoke(job, name);
  process.exit(shell.leaving ?? status);
}
