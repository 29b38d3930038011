import type { LogSource } from '$lib/api/generated/daemon';
import { Outlet } from '../core/outlet';
import { encode } from '../core/reply';

export const SOURCES: readonly LogSource[] = ['console', 'daemon', 'qemu', 'vsock'];

/** The daemon's four logs: files that grow, and those who follow them. */
export class Logs {
  readonly #files: Record<LogSource, Uint8Array[]> = { console: [], daemon: [], qemu: [], vsock: [] };
  readonly #followers: Record<LogSource, Set<Outlet>> = {
    console: new Set(),
    daemon: new Set(),
    qemu: new Set(),
    vsock: new Set(),
  };

  write(source: LogSource, ...lines: string[]): void {
    const bytes = encode(lines.map((line) => `${line}\n`).join(''));
    this.#files[source].push(bytes);
    for (const follower of this.#followers[source]) follower.push(bytes);
  }

  /** A new boot begins a new file; who follows goes on in it. */
  renew(source: LogSource): void {
    this.#files[source] = [];
  }

  /** The last lines that say something, the oldest first. */
  last(source: LogSource, count: number): string[] {
    const text = this.#files[source].map((bytes) => new TextDecoder().decode(bytes)).join('');
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.slice(-count);
  }

  read(source: LogSource, follow: boolean, signal?: AbortSignal): ReadableStream<Uint8Array> {
    const outlet = new Outlet(signal);
    for (const bytes of this.#files[source]) outlet.push(bytes);
    if (!follow) {
      outlet.end();
      return outlet.stream;
    }
    const followers = this.#followers[source];
    followers.add(outlet);
    outlet.whenGone(() => followers.delete(outlet));
    return outlet.stream;
  }
}
