import { Records, type Entry } from '$features/container/logs/records';
import { address, call } from '$lib/api/call';
import { isFramed } from '$lib/api/connection';
import { chunks } from '$lib/api/lines';
import { step } from '$lib/api/path';
import type { Backend } from '$lib/backend/backend';

export type Go = {
  follow: boolean;
  /** How far the first go reaches back. */
  lines: number;
  /** The container runs no more: what stands without an end of its line is a line. Else the next go gets it whole. */
  ended: boolean;
  signal: AbortSignal;
};

/**
 * The log of one container, read in several goes: each goes on exactly where the one before ended, so that a log can be read to its
 * present end first and followed then, and again after a restart or a lost connection.
 */
export class Tail {
  readonly #backend: Backend;
  readonly #id: string;
  /** The time of the last entry handed on, and how many entries had it: those come again when one asks from that time on. */
  #last = '';
  #same = 0;

  constructor(backend: Backend, id: string) {
    this.#backend = backend;
    this.#id = id;
  }

  /** Hands on what is new. */
  async *read({ follow, lines, ended, signal }: Go): AsyncGenerator<Entry[]> {
    const path = address(`/containers/${step(this.#id)}/logs`, {
      stdout: true,
      stderr: true,
      timestamps: true,
      follow,
      tail: this.#last === '' ? lines : 'all',
      since: this.#last === '' ? undefined : sinceOf(this.#last),
    });
    const answer = await call(this.#backend, { method: 'GET', path, signal });
    const records = new Records({ framed: isFramed(answer) });
    const known = { last: this.#last, left: this.#same };
    for await (const chunk of chunks(answer.body)) {
      const entries = this.#unseen(records.push(chunk), known);
      if (entries.length > 0) yield entries;
    }
    if (!follow && !ended) return;
    const rest = this.#unseen(records.end(), known);
    if (rest.length > 0) yield rest;
  }

  #unseen(entries: Entry[], known: { last: string; left: number }): Entry[] {
    const fresh = entries.filter((entry) => {
      if (known.left === 0 || entry.time > known.last) return true;
      // Older ones are there when the engine counts `since` in whole seconds.
      if (entry.time === known.last) known.left--;
      return false;
    });
    for (const { time } of fresh) {
      if (time === this.#last) this.#same++;
      else {
        this.#last = time;
        this.#same = 1;
      }
    }
    return fresh;
  }
}

/** The engine's `since`: seconds with nine digits of fraction. */
export function sinceOf(time: string): string {
  const fraction = /\.(\d{1,9})/.exec(time)?.[1] ?? '';
  const seconds = Math.floor(Date.parse(time.replace(/\.\d+/, '')) / 1000);
  return `${seconds}.${fraction.padEnd(9, '0')}`;
}
