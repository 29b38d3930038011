import { describe, expect, it } from 'vitest';
import type { JsonMessage } from '$lib/api/generated';
import { Tally } from './progress';

function tally(...messages: JsonMessage[]): Tally {
  const made = new Tally();
  for (const message of messages) made.add(message);
  return made;
}

const about = (id: string, status: string): JsonMessage => ({ id, status, progressDetail: {} });
const count = (id: string, status: string, current: number, total: number): JsonMessage => ({
  id,
  status,
  progressDetail: { current, total },
});

describe('progress of a pull', () => {
  it('goes through the phases of a layer', () => {
    const pull = tally({ id: 'latest', status: 'Pulling from library/nginx' }, about('a', 'Pulling fs layer'));
    const phases = [pull.now().layers[0]!.phase];
    for (const message of [
      about('a', 'Waiting'),
      count('a', 'Downloading', 50, 100),
      about('a', 'Verifying Checksum'),
      about('a', 'Download complete'),
      count('a', 'Extracting', 50, 100),
      about('a', 'Pull complete'),
    ]) {
      pull.add(message);
      phases.push(pull.now().layers[0]!.phase);
    }
    expect(phases).toEqual(['waiting', 'waiting', 'downloading', 'verifying', 'downloaded', 'extracting', 'done']);
    expect(pull.now().words).toEqual(['latest: Pulling from library/nginx']);
    expect(pull.now()).toMatchObject({ share: 1, current: 100, total: 100 });
  });

  it('weighs layers by their size', () => {
    const pull = tally(count('a', 'Downloading', 300, 300), count('b', 'Downloading', 0, 100));
    expect(pull.now().share).toBeCloseTo(0.8 * 0.75);
    expect(pull.now()).toMatchObject({ current: 300, total: 400 });
  });

  it('counts layers that are there for nothing, and is done when all are', () => {
    expect(tally(about('a', 'Already exists'), count('b', 'Downloading', 0, 10)).now().share).toBe(0);
    expect(tally(about('a', 'Already exists'), about('b', 'Already exists')).now().share).toBe(1);
  });

  it('never goes back when a size becomes known', () => {
    const pull = tally(about('a', 'Pulling fs layer'), count('b', 'Downloading', 10, 10));
    const before = pull.now().share!;
    pull.add(count('a', 'Downloading', 0, 1_000_000));
    expect(pull.now().share).toBe(before);
  });

  it('keeps what was fetched through a retry', () => {
    const pull = tally(count('a', 'Downloading', 50, 100), about('a', 'Retrying in 2 seconds'));
    expect(pull.now().layers[0]).toMatchObject({ phase: 'retrying', words: 'Retrying in 2 seconds', total: 100 });
    expect(pull.now().share).toBeCloseTo(0.4);
  });

  it('leaves a layer done that a second tag names again', () => {
    const pull = tally(about('a', 'Pull complete'), about('a', 'Pulling fs layer'));
    expect(pull.now().layers[0]!.phase).toBe('done');
  });

  it('keeps what was said when it fails half way', () => {
    const pull = tally(count('a', 'Downloading', 50, 100), {
      errorDetail: { message: 'unexpected EOF' },
      error: 'unexpected EOF',
    });
    expect(pull.now().failure).toBe('unexpected EOF');
    expect(pull.now().layers).toHaveLength(1);
    expect(tally({ errorDetail: { message: 'only this' } }).now().failure).toBe('only this');
  });
});

describe('progress of other work', () => {
  it('follows a push', () => {
    const push = tally(about('a', 'Preparing'), about('b', 'Layer already exists'), count('a', 'Pushing', 25, 100));
    expect(push.now().share).toBe(0.25);
    push.add(about('a', 'Mounted from library/x'));
    expect(push.now().layers.map((layer) => layer.phase)).toEqual(['mounted', 'exists']);
  });

  it('follows a load, whose results are text', () => {
    const load = tally(count('a', 'Loading layer', 10, 20), { stream: 'Loaded image: a:1\nLoaded image: b:2\n' });
    expect(load.now()).toMatchObject({ share: 0.5, words: ['Loaded image: a:1', 'Loaded image: b:2'] });
  });

  it('shows one line for a count without a layer', () => {
    const load = tally(
      { status: 'Importing', progressDetail: { current: 1 } },
      { status: 'Importing', progressDetail: { current: 2 } },
      { status: 'sha256:aa' },
    );
    expect(load.now().words).toEqual(['Importing', 'sha256:aa']);
    expect(load.now().share).toBeUndefined();
  });

  it('shows words it does not know as they are, and forgets the oldest lines', () => {
    const work = tally(count('a', 'Polishing', 1, 2));
    expect(work.now().layers[0]).toMatchObject({ phase: 'other', words: 'Polishing' });
    for (let line = 0; line < 1000; line += 1) work.add({ status: `line ${line}` });
    expect(work.now().words).toHaveLength(200);
    expect(work.now().words.at(-1)).toBe('line 999');
  });
});
