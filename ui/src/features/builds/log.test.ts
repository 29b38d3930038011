import { expect, it, vi } from 'vitest';
import type { TextLog } from '$features/container/logs/text';
import { Unreachable } from '$lib/backend/backend';
import { answer, Scripted, Stream } from '$lib/backend/scripted';
import { buildLog } from './log';

const PATH = '/berth/builds/ref1/logs';
const encode = (text: string) => new TextEncoder().encode(text);
const texts = ({ buffer }: TextLog) => [...buffer.lines()].map(({ text }) => text);

it('follows to the end of the build, and asks no more', async () => {
  const streams: Stream[] = [];
  const backend = new Scripted({ [PATH]: (request) => streams[streams.push(new Stream(request)) - 1]!.answer });
  const log = buildLog(backend, 'ref1', { vertex: 'sha256:a' });
  const stop = log.start();
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  expect(backend.requests[0]!.path).toBe(`${PATH}?follow=1&vertex=sha256%3Aa`);
  streams[0]!.write(encode('one\ntw'));
  await vi.waitFor(() => expect(texts(log)).toEqual(['one']));
  streams[0]!.write(encode('o\nthree'));
  streams[0]!.end();
  await vi.waitFor(() => expect(log.standing.at).toBe('ended'));
  expect(texts(log)).toEqual(['one', 'two', 'three']);
  expect(streams).toHaveLength(1);
  stop();
});

it('begins anew after a break, and has no line twice', async () => {
  const streams: Stream[] = [];
  const backend = new Scripted({ [PATH]: (request) => streams[streams.push(new Stream(request)) - 1]!.answer });
  const log = buildLog(backend, 'ref1');
  const stop = log.start();
  await vi.waitFor(() => expect(streams).toHaveLength(1));
  streams[0]!.write(encode('one\n'));
  await vi.waitFor(() => expect(texts(log)).toEqual(['one']));
  streams[0]!.fail(new Unreachable('gone'));
  await vi.waitFor(() => expect(log.standing.at).toBe('waiting'));
  // What was read stays while the engine is away.
  expect(texts(log)).toEqual(['one']);
  log.wake();
  await vi.waitFor(() => expect(streams).toHaveLength(2));
  streams[1]!.write(encode('one\ntwo\n'));
  streams[1]!.end();
  await vi.waitFor(() => expect(log.standing.at).toBe('ended'));
  expect(texts(log)).toEqual(['one', 'two']);
  stop();
});

it('says why the engine refuses', async () => {
  const backend = new Scripted({ [PATH]: () => answer(404, { message: 'no build record found for ref ref1' }) });
  const log = buildLog(backend, 'ref1');
  const stop = log.start();
  await vi.waitFor(() => expect(log.standing).toMatchObject({ at: 'refused', error: { status: 404 } }));
  stop();
});
