import { describe, expect, it } from 'vitest';
import { type Answer, type Backend, type Request, Unreachable } from '$lib/backend/backend';
import { Bell } from '$lib/live/bell';
import { follow, inSeconds, nanoseconds, Seen, type Standing } from './follow';

/** An engine that keeps lines and breaks connections off when told. */
class Engine implements Backend {
  lines: { nanos: bigint; text: string }[] = [];
  running = true;
  up = true;
  refusal: number | undefined;
  asked: string[] = [];
  #open: ReadableStreamDefaultController<Uint8Array> | undefined;

  write(nanos: bigint, text: string): void {
    this.lines.push({ nanos, text });
    this.#open?.enqueue(bytes({ nanos, text }));
  }

  /** Ends the stream as the engine does when the container ends. */
  end(): void {
    this.running = false;
    this.#open?.close();
    this.#open = undefined;
  }

  /** Ends the stream in order, in the middle of a line, and lets the container run. */
  shutDown(half: string): void {
    this.#open?.enqueue(new TextEncoder().encode(half));
    this.#open?.close();
    this.#open = undefined;
  }

  breakOff(after = ''): void {
    if (after !== '') this.#open?.enqueue(new TextEncoder().encode(after));
    this.#open?.error(new Unreachable('broken'));
    this.#open = undefined;
  }

  async request(request: Request): Promise<Answer> {
    this.asked.push(request.path);
    if (!this.up) throw new Unreachable('down');
    if (this.refusal !== undefined) {
      return { status: this.refusal, headers: {}, body: new Response('{"message":"no log here"}').body! };
    }
    const since = new URLSearchParams(request.path.split('?')[1]).get('since');
    const from = since === null ? 0n : BigInt(since.replace('.', ''));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        request.signal?.addEventListener('abort', () => {
          if (this.#open === controller) this.#open = undefined;
          controller.error(request.signal!.reason);
        });
        for (const line of this.lines) if (line.nanos >= from) controller.enqueue(bytes(line));
        if (this.running) this.#open = controller;
        else controller.close();
      },
    });
    return { status: 200, headers: {}, body };
  }

  upgrade(): never {
    throw new Error('not asked for');
  }
}

function stamp(nanos: bigint): string {
  return new Date(Number(nanos / 1_000_000n))
    .toISOString()
    .replace(/\.\d+Z/, `.${String(nanos % 1_000_000_000n).padStart(9, '0')}Z`);
}
const bytes = ({ nanos, text }: { nanos: bigint; text: string }) =>
  new TextEncoder().encode(`${stamp(nanos)} ${text}\n`);

function reading(engine: Engine) {
  const got: string[] = [];
  const stands: Standing['at'][] = [];
  const watchers = new Set<() => void>();
  const bell = new Bell();
  const stop = new AbortController();
  const changed = () => watchers.forEach((watch) => watch());
  const over = follow({
    backend: engine,
    id: 'c',
    bell,
    signal: stop.signal,
    onEntries: (entries) => {
      got.push(...entries.map(({ text }) => text));
      changed();
    },
    onStanding: ({ at }) => {
      stands.push(at);
      changed();
    },
    running: () => Promise.resolve(engine.running),
  });
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const watch = () => {
        if (!holds()) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
    });
  return { got, stands, bell, until, stop: () => (stop.abort(), over) };
}

const T = 1_790_000_000_000_000_000n;

describe('follow', () => {
  it('goes on after a break without losing or doubling lines, those of one nanosecond too', async () => {
    const engine = new Engine();
    engine.write(T, 'one');
    engine.write(T + 5n, 'two');
    engine.write(T + 5n, 'two');
    const log = reading(engine);
    await log.until(() => log.got.length === 3);
    engine.lines.push(
      { nanos: T + 5n, text: 'two' },
      { nanos: T + 3n, text: 'late' },
      { nanos: T + 6n, text: 'three' },
    );
    engine.breakOff(`${stamp(T + 6n)} thr`);
    log.bell.ring();
    await log.until(() => log.got.length >= 6);
    expect(log.got).toEqual(['one', 'two', 'two', 'two', 'late', 'three']);
    await log.stop();
  });

  it('gives a line whole that an orderly end has cut', async () => {
    const engine = new Engine();
    engine.write(T, 'one');
    const log = reading(engine);
    await log.until(() => log.got.length === 1);
    engine.shutDown(`${stamp(T + 6n)} tw`);
    engine.lines.push({ nanos: T + 6n, text: 'two' }, { nanos: T + 7n, text: 'three' });
    log.bell.ring();
    await log.until(() => log.got.includes('three'));
    expect(log.got).toEqual(['one', 'two', 'three']);
    await log.stop();
  });

  it('gives the last words of a container that ends without a newline', async () => {
    const engine = new Engine();
    engine.write(T, 'one');
    const log = reading(engine);
    await log.until(() => log.got.length === 1);
    engine.running = false;
    engine.shutDown(`${stamp(T + 6n)} last words`);
    await log.until(() => log.stands.at(-1) === 'ended');
    expect(log.got).toEqual(['one', 'last words']);
    await log.stop();
  });

  it('says that it waits while the engine is away, and reads on when it is back', async () => {
    const engine = new Engine();
    engine.write(T, 'one');
    const log = reading(engine);
    await log.until(() => log.got.length === 1);
    engine.up = false;
    engine.breakOff();
    log.bell.ring();
    await log.until(() => log.stands.includes('waiting'));
    engine.up = true;
    engine.write(T + 1n, 'two');
    log.bell.ring();
    await log.until(() => log.got.length === 2);
    expect(log.got).toEqual(['one', 'two']);
    await log.stop();
  });

  it('follows the next run of the container', async () => {
    const engine = new Engine();
    engine.write(T, 'first run');
    const log = reading(engine);
    await log.until(() => log.got.length === 1);
    engine.end();
    await log.until(() => log.stands.at(-1) === 'ended');
    engine.running = true;
    engine.write(T + 10n, 'second run');
    log.bell.ring();
    await log.until(() => log.got.length === 2);
    expect(log.got).toEqual(['first run', 'second run']);
    await log.stop();
  });

  it('says what the engine refuses with, and does not ask again by itself', async () => {
    const engine = new Engine();
    engine.refusal = 501;
    const log = reading(engine);
    await log.until(() => log.stands.includes('refused'));
    expect(engine.asked).toHaveLength(1);
    await log.stop();
  });
});

describe('times', () => {
  it('keeps nanoseconds', () => {
    expect(nanoseconds('2026-01-02T03:04:05.000000001Z') % 1_000_000_000n).toBe(1n);
    expect(inSeconds(1_790_000_000_000_000_007n)).toBe('1790000000.000000007');
  });

  it('does not ask for what it has forgotten', () => {
    const seen = new Seen();
    const entry = (n: number) => ({ stream: 'stdout' as const, time: stamp(T + BigInt(n)), text: 'x', cut: 0 });
    for (let n = 0; n < 50; n++) seen.add(Array.from({ length: 1000 }, (_, i) => entry(n * 1000 + i)));
    const since = BigInt(seen.since()!.replace('.', ''));
    expect(since).toBeGreaterThan(T);
    expect(since).toBeLessThan(T + 50_000n);
  });
});
