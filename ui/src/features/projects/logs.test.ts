import { afterEach, describe, expect, it } from 'vitest';
import type { Entry } from '$features/container/logs/records';
import { refused, Scripted, type Reply } from '$features/containers/scripted';
import type { Request } from '$lib/backend/backend';
import { ProjectLogs, type Source } from './logs.svelte';

const encoder = new TextEncoder();
const line = (second: number, text: string) =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000000Z ${text}\n`;

/** Containers with a log, as an engine keeps them: a terminal each, so without frames. */
class Logs {
  readonly text = new Map<string, string>();
  readonly #open = new Map<string, Set<ReadableStreamDefaultController<Uint8Array>>>();

  write(id: string, text: string): void {
    this.text.set(id, (this.text.get(id) ?? '') + text);
    for (const controller of this.#open.get(id) ?? []) controller.enqueue(encoder.encode(text));
  }

  /** The container ends, or somebody cuts the streams. */
  cut(id: string, error?: Error): void {
    for (const controller of this.#open.get(id) ?? []) {
      if (error) controller.error(error);
      else controller.close();
    }
    this.#open.delete(id);
  }

  answer = (request: Request): Reply => {
    const [, id] = /^\/containers\/([^/]+)\/logs/.exec(request.path)!;
    const query = new URLSearchParams(request.path.split('?')[1]);
    const since = Number(query.get('since') ?? 0);
    const kept = (this.text.get(id!) ?? '')
      .split(/(?<=\n)/)
      .filter((one) => Date.parse(one.slice(0, 19) + 'Z') / 1000 >= Math.floor(since) || one === '')
      .join('');
    if (query.get('follow') !== '1') return { body: kept };
    let mine: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        mine = controller;
        controller.enqueue(encoder.encode(kept));
        // As a backend has it: to call a request off breaks its answer off.
        request.signal?.addEventListener('abort', () => {
          if (this.#open.get(id!)?.delete(mine)) mine.error(request.signal!.reason);
        });
        this.#open.set(id!, (this.#open.get(id!) ?? new Set()).add(controller));
      },
      cancel: () => void this.#open.get(id!)?.delete(mine),
    });
    return { body };
  };

  followers(id: string): number {
    return this.#open.get(id)?.size ?? 0;
  }
}

let logs: ProjectLogs | undefined;
afterEach(() => logs?.stop());

const web: Source = { id: 'w', label: 'web', alive: true };
const db: Source = { id: 'd', label: 'db', alive: true };

function start(script: (request: Request) => Reply | 'unreachable', sources: Source[]) {
  const backend = new Scripted(script);
  const out: string[] = [];
  const take = (entries: Entry[]) => out.push(...entries.map((entry) => `${entry.source}: ${entry.text}`));
  logs = new ProjectLogs(backend, take);
  logs.set(sources);
  return { backend, out, logs };
}

describe('logs of a project', () => {
  it('are one by time, what is there exactly and what comes as it comes', async () => {
    const engine = new Logs();
    engine.write('w', line(1, 'one') + line(4, 'four'));
    engine.write('d', line(2, 'two') + line(3, 'three'));
    const { out, logs } = start(engine.answer, [web, db]);
    await expect.poll(() => logs.ready).toBe(true);
    expect(out).toEqual(['web: one', 'db: two', 'db: three', 'web: four']);
    await expect.poll(() => engine.followers('w') + engine.followers('d')).toBe(2);
    engine.write('w', line(6, 'six'));
    engine.write('d', line(5, 'five'));
    await expect.poll(() => out.slice(4)).toEqual(['db: five', 'web: six']);
  });

  it('lose and repeat nothing when a stream breaks off', async () => {
    const engine = new Logs();
    engine.write('w', line(1, 'same') + line(1, 'same'));
    const { out, logs } = start(engine.answer, [web]);
    await expect.poll(() => engine.followers('w')).toBe(1);
    engine.cut('w', new TypeError('network error'));
    engine.write('w', line(1, 'same') + line(2, 'more'));
    logs.wake();
    await expect.poll(() => out).toEqual(['web: same', 'web: same', 'web: same', 'web: more']);
  });

  it('go on when a container is started again', async () => {
    const engine = new Logs();
    engine.write('w', line(1, 'before'));
    const { out, logs } = start(engine.answer, [web]);
    await expect.poll(() => engine.followers('w')).toBe(1);
    logs.set([{ ...web, alive: false }]);
    engine.cut('w');
    await expect.poll(() => engine.followers('w')).toBe(0);
    engine.write('w', line(3, 'after'));
    logs.set([web]);
    await expect.poll(() => out).toEqual(['web: before', 'web: after']);
  });

  it('take in a container that comes, and let go of one that goes', async () => {
    const engine = new Logs();
    const { out, logs } = start(engine.answer, [web]);
    await expect.poll(() => engine.followers('w')).toBe(1);
    engine.write('d', line(1, 'hello'));
    logs.set([db]);
    await expect.poll(() => out).toEqual(['db: hello']);
    await expect.poll(() => engine.followers('w')).toBe(0);
  });

  it('leave a line that is being written to what follows', async () => {
    const engine = new Logs();
    engine.write('w', line(1, 'whole') + '2026-01-01T00:00:02.000000000Z half');
    const { out, logs } = start(engine.answer, [web]);
    await expect.poll(() => logs.ready).toBe(true);
    expect(out).toEqual(['web: whole']);
    await expect.poll(() => engine.followers('w')).toBe(1);
    engine.write('w', ' and half\n');
    await expect.poll(() => out).toEqual(['web: whole', 'web: half and half']);
  });

  it('show the others when one is refused, with the engine’s words', async () => {
    const engine = new Logs();
    engine.write('d', line(1, 'hello'));
    const words = 'configured logging driver does not support reading';
    const { out, logs } = start(
      (request) => (request.path.includes('/w/') ? refused(501, words) : engine.answer(request)),
      [web, db],
    );
    await expect.poll(() => out).toEqual(['db: hello']);
    await expect.poll(() => [...logs.refused]).toEqual([['web', words]]);
    logs.set([db]);
    expect([...logs.refused]).toEqual([]);
  });

  it('say nothing of one that is gone: its list will', async () => {
    const { logs } = start(() => refused(404, 'No such container: w'), [web]);
    await expect.poll(() => logs.ready).toBe(true);
    expect([...logs.refused]).toEqual([]);
  });

  it('come when the engine does', async () => {
    const engine = new Logs();
    engine.write('w', line(1, 'hello'));
    let away = true;
    const { out, backend, logs } = start((request) => (away ? 'unreachable' : engine.answer(request)), [web]);
    await expect.poll(() => backend.asked.length).toBeGreaterThan(1);
    away = false;
    logs.wake();
    await expect.poll(() => out).toEqual(['web: hello']);
  });
});
