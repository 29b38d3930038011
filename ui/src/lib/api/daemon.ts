import type { Backend } from '$lib/backend/backend';
import { address, call, done, json, withJson } from './call';
import type { Abort } from './containers';
import type { DaemonStatus, LogSource, MachineStatus, SettingEntry, UpdateReport } from './generated/daemon';
import { values } from './lines';

/** All that the daemon knows, the guest's own figures included. */
export function status(daemon: Backend, { signal }: Abort = {}): Promise<DaemonStatus> {
  return json(daemon, { method: 'GET', path: '/status', signal });
}

/** Who only looks starts no daemon, but where a person waits for what it says. */
type Look = Abort & { start?: boolean };

/**
 * The machine as it is now, and again whenever that changes, for as long as the daemon lives. With `start` a daemon is started where there
 * is a machine, be it stopped.
 */
export async function* watch(daemon: Backend, { start, signal }: Look = {}): AsyncGenerator<MachineStatus> {
  const answer = await call(daemon, { method: 'GET', path: address('/watch', { start: start || undefined }), signal });
  yield* values<MachineStatus>(answer.body);
}

export type Verb = 'up' | 'down' | 'restart';

/** The machine's way to the state that was asked for; the last status is settled: running, stopped, or failed with its cause. */
export async function* change(daemon: Backend, verb: Verb, { signal }: Abort = {}): AsyncGenerator<MachineStatus> {
  const answer = await call(daemon, { method: 'POST', path: `/${verb}`, signal });
  yield* values<MachineStatus>(answer.body);
}

/** Removes the machine's disk, or all on it but the named volumes. */
export async function* reset(
  daemon: Backend,
  { keepVolumes, signal }: Abort & { keepVolumes: boolean },
): AsyncGenerator<MachineStatus> {
  const answer = await call(daemon, withJson('POST', '/reset', { keep_volumes: keepVolumes }, { signal }));
  yield* values<MachineStatus>(answer.body);
}

/** A log as bytes; with `follow` it does not end. */
export async function log(
  daemon: Backend,
  source: LogSource,
  { follow, signal }: Abort & { follow?: boolean } = {},
): Promise<ReadableStream<Uint8Array>> {
  return (await call(daemon, { method: 'GET', path: address('/logs', { source, follow }), signal })).body;
}

/** With `start` a daemon is started for it. */
export function settings(daemon: Backend, { start, signal }: Look = {}): Promise<SettingEntry[]> {
  return json(daemon, { method: 'GET', path: address('/settings', { start: start || undefined }), signal });
}

/** Changes a setting; without a value it goes back to its default. The daemon's refusal says what it takes. */
export function set(daemon: Backend, name: string, value?: string): Promise<SettingEntry> {
  return json(daemon, withJson('PUT', '/settings', { name, value: value ?? null }));
}

/** What is known of newer versions; nothing is looked for. */
export function updates(daemon: Backend, { signal }: Abort = {}): Promise<UpdateReport> {
  return json(daemon, { method: 'GET', path: '/updates', signal });
}

/** Looks for a newer version now. A daemon that looks nowhere refuses, and says why. */
export function lookForUpdates(daemon: Backend, { signal }: Abort = {}): Promise<UpdateReport> {
  return json(daemon, { method: 'POST', path: '/updates', signal });
}

/** Ends the daemon; the machine goes on. */
export async function quit(daemon: Backend): Promise<void> {
  await done(daemon, { method: 'POST', path: '/quit' });
}
