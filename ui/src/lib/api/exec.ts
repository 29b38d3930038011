import type { Backend, Duplex } from '$lib/backend/backend';
import { address, done, json, withJson } from './call';
import { connect, pieces } from './connection';
import type { Abort } from './containers';
import type { ExecConfig, ExecInspect, IdResponse } from './generated';
import { chunks } from './lines';
import { step } from './path';

const at = (id: string, rest: string) => `/exec/${step(id)}${rest}`;

/** Prepares a command in a running container; `start` runs it. */
export function create(backend: Backend, container: string, config: Partial<ExecConfig>): Promise<IdResponse> {
  return json(backend, withJson('POST', `/containers/${step(container)}/exec`, config));
}

export type StartOptions = Abort & {
  /** As given to `create`. */
  tty?: boolean;
  size?: { rows: number; columns: number };
};

/** Runs it and hands over the connection to it. */
export function start(backend: Backend, id: string, { tty, size, signal }: StartOptions = {}): Promise<Duplex> {
  const request = { Detach: false, Tty: tty ?? false, ...(size && { ConsoleSize: [size.rows, size.columns] }) };
  return connect(backend, withJson('POST', at(id, '/start'), request, { signal }));
}

export async function resize(backend: Backend, id: string, size: { rows: number; columns: number }): Promise<void> {
  await done(backend, { method: 'POST', path: address(at(id, '/resize'), { h: size.rows, w: size.columns }) });
}

export function inspect(backend: Backend, id: string, { signal }: Abort = {}): Promise<ExecInspect> {
  return json(backend, { method: 'GET', path: at(id, '/json'), signal });
}

export type Outcome = { code: number; stdout: string; stderr: string };

/** Runs a command to its end and reads what it wrote. For what writes little: all of it is kept. */
export async function run(
  backend: Backend,
  container: string,
  command: string[],
  { signal, ...config }: Abort & Partial<ExecConfig> = {},
): Promise<Outcome> {
  const { Id } = await create(backend, container, { ...config, Cmd: command, AttachStdout: true, AttachStderr: true });
  const duplex = await start(backend, Id, { signal });
  const text = { stdin: '', stdout: '', stderr: '' };
  const decoders = { stdin: new TextDecoder(), stdout: new TextDecoder(), stderr: new TextDecoder() };
  try {
    for await (const piece of chunks(pieces(duplex.output, duplex.framed))) {
      text[piece.stream] += decoders[piece.stream].decode(piece.bytes, { stream: true });
    }
  } finally {
    duplex.close();
  }
  const { ExitCode } = await inspect(backend, Id, { signal });
  return { code: ExitCode ?? -1, stdout: text.stdout, stderr: text.stderr };
}
