import { log } from '$lib/api/daemon';
import type { LogSource } from '$lib/api/generated/daemon';
import type { Backend } from '$lib/backend/backend';
import { TextLog } from '$features/container/logs/text';

export const SOURCES = ['console', 'daemon', 'qemu', 'vsock'] as const satisfies readonly LogSource[];

/** One log of the machine; it has no end while anybody looks. */
export function machineLog(daemon: Backend, source: LogSource): TextLog {
  return new TextLog({ open: (signal) => log(daemon, source, { follow: true, signal }), ends: false });
}
