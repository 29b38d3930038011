import type { Seen } from '$features/container/logs/follow';
import { Records, type Entry } from '$features/container/logs/records';
import { address, call } from '$lib/api/call';
import { isFramed } from '$lib/api/connection';
import { chunks } from '$lib/api/lines';
import { step } from '$lib/api/path';
import type { Backend } from '$lib/backend/backend';

/**
 * The newest `lines` of what a container has written up to now. `seen` learns them, so that following goes on from there. What stands
 * without an end of its line is a line only of a container that runs no more: else it comes whole with what follows.
 */
export async function history(
  backend: Backend,
  id: string,
  { lines, alive, seen, signal }: { lines: number; alive: boolean; seen: Seen; signal: AbortSignal },
): Promise<Entry[]> {
  const path = address(`/containers/${step(id)}/logs`, { stdout: 1, stderr: 1, timestamps: 1, tail: lines });
  const answer = await call(backend, { method: 'GET', path, signal });
  const records = new Records({ framed: isFramed(answer) });
  const entries: Entry[] = [];
  for await (const chunk of chunks(answer.body)) for (const entry of records.push(chunk)) entries.push(entry);
  if (!alive) for (const entry of records.end()) entries.push(entry);
  seen.add(entries);
  return entries;
}
