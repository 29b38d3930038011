import { describe, expect, it } from 'vitest';
import type { Answer, Backend, Request } from '$lib/backend/backend';
import { launch, NotUndone, type Step } from './launch';

/** Answers requests in order, and remembers them. */
function script(...answers: [status: number, body?: unknown][]) {
  const asked: string[] = [];
  const backend: Backend = {
    request: async ({ method, path }: Request): Promise<Answer> => {
      asked.push(`${method} ${path}`);
      const [status, body] = answers.shift()!;
      return { status, headers: {}, body: new Response(body === undefined ? '' : JSON.stringify(body)).body! };
    },
    upgrade: () => Promise.reject(new Error('not here')),
  };
  return { backend, asked };
}

async function run(backend: Backend, control = new AbortController(), pull = async () => {}) {
  const steps: Step[] = [];
  const created = await launch(backend, {
    request: { Image: 'a' },
    name: 'web',
    signal: control.signal,
    step: (step) => steps.push(step),
    pull,
  });
  return { created, steps };
}

const CREATED: [number, unknown] = [201, { Id: 'c1', Warnings: [] }];
const MISSING: [number, unknown] = [404, { message: 'No such image: a:latest' }];

describe('running an image', () => {
  it('creates and starts', async () => {
    const { backend, asked } = script(CREATED, [204]);
    const { steps, created } = await run(backend);
    expect([steps, created.Id]).toEqual([['create', 'start'], 'c1']);
    expect(asked).toEqual(['POST /containers/create?name=web', 'POST /containers/c1/start']);
  });

  it('pulls what is not there', async () => {
    const { backend } = script(MISSING, CREATED, [204]);
    let pulled = false;
    const { steps } = await run(backend, undefined, async () => void (pulled = true));
    expect(steps).toEqual(['create', 'pull', 'create', 'start']);
    expect(pulled).toBe(true);
  });

  it('pulls for no other refusal', async () => {
    const { backend, asked } = script([404, { message: 'network x not found' }]);
    await expect(run(backend)).rejects.toThrow('network x not found');
    expect(asked).toHaveLength(1);
  });

  it('removes what does not start, and says why', async () => {
    const ending = { message: 'removal of container c1 is already in progress' };
    for (const removal of [[204], [404, { message: 'gone' }], [409, ending]] as [number, unknown?][]) {
      const { backend, asked } = script(CREATED, [500, { message: 'port is already allocated' }], removal);
      await expect(run(backend)).rejects.toThrow('port is already allocated');
      expect(asked.at(-1)).toBe('DELETE /containers/c1?force=true&v=true');
    }
  });

  it('starts nothing when it was called off meanwhile', async () => {
    const control = new AbortController();
    const { backend, asked } = script(MISSING);
    const called = run(backend, control, async () => control.abort());
    await expect(called).rejects.toThrow();
    expect(asked).toHaveLength(1);
  });

  it('removes what was started when it was called off meanwhile', async () => {
    const control = new AbortController();
    const { backend, asked } = script(CREATED, [204], [204]);
    const slow: Backend = {
      ...backend,
      request: async (request) => {
        const answer = await backend.request(request);
        if (request.path.endsWith('/start')) control.abort();
        return answer;
      },
    };
    await expect(run(slow, control)).rejects.toMatchObject({ name: 'AbortError' });
    expect(asked.slice(1)).toEqual(['POST /containers/c1/start', 'DELETE /containers/c1?force=true&v=true']);
  });

  it('says that what did not start could not be removed either', async () => {
    const { backend } = script(CREATED, [500, { message: 'no start' }], [500, { message: 'no removal' }]);
    const error = await run(backend).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotUndone);
    expect(error).toMatchObject({ id: 'c1', why: { message: 'no removal' }, cause: { message: 'no start' } });
  });
});
