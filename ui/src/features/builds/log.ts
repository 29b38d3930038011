import { logs } from '$lib/api/builds';
import { chunks } from '$lib/api/lines';
import type { Backend } from '$lib/backend/backend';
import { TextLog } from '$features/container/logs/text';

/** The log of a build, or what one of its steps wrote, followed until the build ends. */
export function buildLog(
  backend: Backend,
  ref: string,
  { vertex, lines }: { vertex?: string; lines?: number } = {},
): TextLog {
  const open = (signal: AbortSignal) => logs(backend, ref, { follow: true, vertex, signal });
  return new TextLog({ open, ends: true }, { lines, stamped: false });
}

/** The whole log as the engine has it, as parts of a file. */
export async function wholeLog(backend: Backend, ref: string, signal: AbortSignal): Promise<BlobPart[]> {
  const parts: BlobPart[] = [];
  for await (const bytes of chunks(await logs(backend, ref, { signal }))) {
    parts.push(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  }
  return parts;
}
