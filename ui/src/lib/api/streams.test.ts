import { describe, expect, it } from 'vitest';
import type { Backend, Duplex } from '$lib/backend/backend';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { connect } from './connection';
import * as containers from './containers';
import * as exec from './exec';
import * as images from './images';
import { chunks } from './lines';
import * as system from './system';

const MULTIPLEXED = { 'content-type': 'application/vnd.docker.multiplexed-stream' };
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function frame(stream: number, words: string): Uint8Array {
  const bytes = new TextEncoder().encode(words);
  const framed = new Uint8Array(8 + bytes.length);
  framed[0] = stream;
  new DataView(framed.buffer).setUint32(4, bytes.length);
  framed.set(bytes, 8);
  return framed;
}

describe('logs', () => {
  async function read(headers: Record<string, string>, parts: Uint8Array[]) {
    const backend = new Scripted({
      '/containers/c/logs': (request) => {
        const stream = new Stream(request, headers);
        for (const part of parts) stream.write(part);
        stream.end();
        return stream.answer;
      },
    });
    const read = [];
    for await (const piece of chunks(await containers.logs(backend, 'c'))) read.push([piece.stream, text(piece.bytes)]);
    return { read, path: backend.requests[0]!.path };
  }

  it('are told apart by stream, wherever the frames were cut', async () => {
    const whole = new Uint8Array([...frame(1, 'out\n'), ...frame(2, 'err\n')]);
    const { read: pieces, path } = await read(MULTIPLEXED, [whole.slice(0, 3), whole.slice(3, 10), whole.slice(10)]);
    expect(path).toBe('/containers/c/logs?stdout=true&stderr=true&tail=all');
    const joined = (stream: string) =>
      pieces
        .filter(([name]) => name === stream)
        .map(([, words]) => words)
        .join('');
    expect([joined('stdout'), joined('stderr')]).toEqual(['out\n', 'err\n']);
  });

  it('of a terminal are one stream as they are', async () => {
    const raw = { 'content-type': 'application/vnd.docker.raw-stream' };
    expect((await read(raw, [frame(2, 'x')])).read).toEqual([['stdout', text(frame(2, 'x'))]]);
  });
});

describe('pull', () => {
  const pulled = (lines: object[]) =>
    new Scripted({ '/images/create': () => answer(200, lines.map((line) => JSON.stringify(line)).join('\r\n')) });

  it('gives each line, and asks for the latest where no tag is given', async () => {
    const backend = pulled([{ status: 'Pulling', id: 'latest' }, { status: 'Done' }]);
    const heard = [];
    for await (const line of images.pull(backend, 'localhost:5000/a/b')) heard.push(line.status);
    expect(heard).toEqual(['Pulling', 'Done']);
    const asked = new URLSearchParams(backend.requests[0]!.path.split('?')[1]);
    expect(Object.fromEntries(asked)).toEqual({ fromImage: 'localhost:5000/a/b', tag: 'latest' });
  });

  it('fails half way with the words in the stream', async () => {
    const backend = pulled([
      { status: 'Pulling' },
      { error: 'toomanyrequests', errorDetail: { message: 'toomanyrequests' } },
    ]);
    const pull = images.pull(backend, 'a:1');
    expect((await pull.next()).value).toEqual({ status: 'Pulling' });
    await expect(pull.next()).rejects.toMatchObject({ name: 'Refused', message: 'toomanyrequests' });
  });

  it('ends in the engine when it is left', async () => {
    let stream: Stream | undefined;
    const backend = new Scripted({ '/images/create': (request) => (stream = new Stream(request)).answer });
    const pull = images.pull(backend, 'a:1');
    const first = pull.next();
    await Promise.resolve();
    await new Promise<void>((resolve) => {
      const look = () => (stream === undefined ? queueMicrotask(look) : resolve());
      look();
    });
    stream!.say({ status: 'Pulling' });
    await first;
    await pull.return(undefined);
    expect(stream!.cancelled).toBe(true);
  });
});

describe('references', () => {
  it('are split at the tag or digest, not at the port', () => {
    expect(images.split('a')).toEqual({ name: 'a' });
    expect(images.split('a:1')).toEqual({ name: 'a', tag: '1' });
    expect(images.split('h:5000/a')).toEqual({ name: 'h:5000/a' });
    expect(images.split('h:5000/a:1')).toEqual({ name: 'h:5000/a', tag: '1' });
    expect(images.split('a:1@sha256:ff')).toEqual({ name: 'a:1', tag: 'sha256:ff' });
  });

  it('carry credentials in a header that any letter fits into', () => {
    const header = images.credentials({ username: 'ü', password: '密码>>>???' })['x-registry-auth']!;
    expect(header).toMatch(/^[A-Za-z0-9_=-]+$/);
    const bytes = Uint8Array.from(atob(header.replaceAll('-', '+').replaceAll('_', '/')), (one) => one.charCodeAt(0));
    expect(JSON.parse(text(bytes))).toEqual({ username: 'ü', password: '密码>>>???' });
    expect(images.credentials(undefined)).toEqual({});
  });
});

describe('events', () => {
  it('say when they can be heard, and by which clock', async () => {
    const date = 'Thu, 26 Nov 2026 12:00:00 GMT';
    const backend = new Scripted({ '/events': () => answer(200, { Type: 'image', Action: 'pull' }, { date }) });
    const opened: unknown[] = [];
    const heard = [];
    for await (const event of system.events(backend, { opened: (at) => opened.push(at) })) heard.push(event.Action);
    expect(opened).toEqual([new Date(date)]);
    expect(heard).toEqual(['pull']);
  });
});

describe('exec', () => {
  it('runs a command to its end', async () => {
    const scripted = new Scripted({
      '/containers/c/exec': () => answer(201, { Id: 'e' }),
      '/exec/e/json': () => answer(200, { ExitCode: 3 }),
    });
    let closed = 0;
    const stream = new Stream({});
    stream.write(frame(1, 'ü'.repeat(2)));
    stream.write(frame(2, 'bad'));
    stream.end();
    const duplex = { output: stream.answer.body, framed: true, close: () => (closed += 1) } as unknown as Duplex;
    const backend: Backend = {
      request: (request) => scripted.request(request),
      upgrade: () => Promise.resolve({ duplex }),
    };
    expect(await exec.run(backend, 'c', ['ls'])).toEqual({ code: 3, stdout: 'üü', stderr: 'bad' });
    expect(closed).toBe(1);
  });

  it('says why no connection was handed over', async () => {
    const backend = new Scripted({ '/exec/e/start': () => answer(409, { message: 'container is paused' }) });
    await expect(connect(backend, { method: 'POST', path: '/exec/e/start' })).rejects.toMatchObject({
      status: 409,
      message: 'container is paused',
    });
  });
});
