import { describe, expect, it } from 'vitest';
import { Records } from './records';

const bytes = (text: string) => new TextEncoder().encode(text);
const at = (n: number) => `2026-01-02T03:04:05.${String(n).padStart(9, '0')}Z`;

function frame(stream: 1 | 2, payload: Uint8Array): Uint8Array {
  const framed = new Uint8Array(8 + payload.length);
  framed[0] = stream;
  new DataView(framed.buffer).setUint32(4, payload.length);
  framed.set(payload, 8);
  return framed;
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Reads `log` in pieces of `step` bytes. */
function read(log: Uint8Array, framed: boolean, step: number, longest?: number) {
  const records = new Records({ framed, longest });
  const entries = [];
  for (let from = 0; from < log.length; from += step) entries.push(...records.push(log.subarray(from, from + step)));
  return [...entries, ...records.end()];
}

/** A line as the engine keeps it: a time before each 16 KiB. */
function messages(line: string, first: number): Uint8Array {
  const raw = bytes(`${line}\n`);
  const parts = [];
  for (let from = 0, n = first; from < raw.length; from += 16384, n++) {
    parts.push(frame(1, join(bytes(`${at(n)} `), raw.slice(from, from + 16384))));
  }
  return join(...parts);
}

describe.each([1, 7, 1000, 1_000_000])('in chunks of %i', (step) => {
  it('reads lines of both streams', () => {
    const log = join(
      frame(1, bytes(`${at(1)} out\n`)),
      frame(2, bytes(`${at(2)} err é\n`)),
      frame(1, bytes(`${at(3)} \n`)),
    );
    expect(read(log, true, step)).toEqual([
      { stream: 'stdout', time: at(1), text: 'out', cut: 0 },
      { stream: 'stderr', time: at(2), text: 'err é', cut: 0 },
      { stream: 'stdout', time: at(3), text: '', cut: 0 },
    ]);
  });

  it('reads a terminal, and what has no end', () =>
    expect(read(bytes(`${at(1)} $ ls\r\n${at(2)} $ `), false, step)).toEqual([
      { stream: 'stdout', time: at(1), text: '$ ls', cut: 0 },
      { stream: 'stdout', time: at(2), text: '$ ', cut: 0 },
    ]));
});

describe('Records', () => {
  it('takes the times out of a long line, also within a character', () => {
    const line = `x${'é'.repeat(40_000)}`;
    expect(read(messages(line, 1), true, 5000)).toEqual([{ stream: 'stdout', time: at(1), text: line, cut: 0 }]);
  });

  it('parts what one run left unfinished from the next run', () => {
    const log = join(frame(1, bytes(`${at(1)} unfinished`)), frame(1, bytes(`${at(9)} again\n`)));
    expect(read(log, true, 1000).map(({ time, text }) => [time, text])).toEqual([
      [at(1), 'unfinished'],
      [at(9), 'again'],
    ]);
  });

  it('leaves a time alone that the program wrote', () => {
    const log = frame(1, bytes(`${at(5)} ${at(4)} level=info ${at(3)} x\n`));
    expect(read(log, true, 1000).map(({ text }) => text)).toEqual([`${at(4)} level=info ${at(3)} x`]);
  });

  it('leaves a time alone that is still to come', () => {
    const log = frame(1, bytes(`${at(1)} valid until 9999-03-01T10:00:00.123456789Z ok\n`));
    expect(read(log, true, 1000)).toEqual([
      { stream: 'stdout', time: at(1), text: 'valid until 9999-03-01T10:00:00.123456789Z ok', cut: 0 },
    ]);
  });

  it('counts what it lets go of an endless line', () => {
    const log = bytes(`${at(1)} ${'y'.repeat(5000)}\n${at(2)} next\n`);
    const [first, second] = read(log, false, 100, 1000);
    expect(first!.text.length + first!.cut).toBe(5000);
    expect(first!.cut).toBe(5000 + 31 - 1000);
    expect(second).toEqual({ stream: 'stdout', time: at(2), text: 'next', cut: 0 });
  });

  it('reads ten megabytes of one line', () => {
    const line = 'z'.repeat(10_000_000);
    const [entry] = read(messages(line, 1), true, 65536);
    expect(entry!.text === line).toBe(true);
  });
});

it('takes a time for words of the program’s own where lines have none', () => {
  const records = new Records({ framed: false, stamped: false });
  expect(records.push(bytes(`${at(1)} said\n`))).toEqual([
    { stream: 'stdout', time: '', text: `${at(1)} said`, cut: 0 },
  ]);
});
