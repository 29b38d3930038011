import { expect } from 'vitest';
import { text } from '$lib/api/call';
import { Frames } from '$lib/api/frames';
import { chunks, values } from '$lib/api/lines';
import type { ContainerCreateRequest, ContainerInspect, EventMessage, ExecConfig } from '$lib/api/generated';
import type { Answer, Backend, Duplex, Request } from '$lib/backend/backend';

export interface Said {
  status: number;
  headers: Record<string, string>;
  text: string;
  /** The body as JSON; of a refusal its words are `body.message`. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what answers look like is what is tested
  body: any;
}

const LABEL = 'contract';

/** An engine as a case speaks to it. What it makes is removed after the case. */
export class Client {
  #made: (() => Promise<unknown>)[] = [];
  #listening: (() => void)[] = [];
  #count = 0;

  constructor(readonly backend: Backend) {}

  /** A name that no other case has. */
  name(what: string): string {
    this.#count += 1;
    return `contract-${what}-${process.pid}-${Date.now() % 100_000}-${this.#count}`;
  }

  async say(method: Request['method'], path: string, body?: unknown): Promise<Said> {
    const given =
      body === undefined
        ? {}
        : body instanceof Uint8Array
          ? { body }
          : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const answer = await this.backend.request({
      method,
      path,
      headers: { 'content-type': 'application/json' },
      ...given,
    });
    return said(answer);
  }

  async ok(method: Request['method'], path: string, body?: unknown): Promise<Said> {
    const answer = await this.say(method, path, body);
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  /** Status and words of a refusal. */
  async refused(method: Request['method'], path: string, body?: unknown): Promise<[number, string]> {
    const answer = await this.say(method, path, body);
    return [answer.status, answer.body?.message];
  }

  /** A stream whose head has come; the case must end it. */
  async stream(path: string, signal?: AbortSignal): Promise<Answer> {
    return this.backend.request({ method: 'GET', path, signal });
  }

  async create(wish: ContainerCreateRequest = {}, name = this.name('c')): Promise<string> {
    const body = { Image: 'busybox', ...wish, Labels: { [LABEL]: '1', ...wish.Labels } };
    const { body: made } = await this.ok('POST', `/containers/create?name=${name}`, body);
    this.later(() => this.say('DELETE', `/containers/${made.Id}?force=1&v=1`));
    return made.Id as string;
  }

  async run(wish: ContainerCreateRequest = {}, name?: string): Promise<string> {
    const id = await this.create({ Cmd: ['sleep', '1000'], ...wish }, name);
    await this.ok('POST', `/containers/${id}/start`);
    return id;
  }

  /** Runs a command to its end; answers the container. */
  async ran(command: string[], wish: ContainerCreateRequest = {}): Promise<string> {
    const id = await this.run({ ...wish, Cmd: command });
    await this.ok('POST', `/containers/${id}/wait`);
    return id;
  }

  async inspect(id: string): Promise<ContainerInspect> {
    return (await this.ok('GET', `/containers/${id}/json`)).body as ContainerInspect;
  }

  async volume(name = this.name('v'), more: object = {}): Promise<string> {
    this.later(() => this.say('DELETE', `/volumes/${name}?force=1`));
    await this.ok('POST', '/volumes/create', { Name: name, Labels: { [LABEL]: '1' }, ...more });
    return name;
  }

  async network(name = this.name('n'), more: object = {}): Promise<string> {
    const { body } = await this.ok('POST', '/networks/create', { Name: name, Labels: { [LABEL]: '1' }, ...more });
    this.later(() => this.say('DELETE', `/networks/${body.Id}`));
    return body.Id as string;
  }

  async exec(container: string, config: ExecConfig): Promise<string> {
    return (await this.ok('POST', `/containers/${container}/exec`, config)).body.Id as string;
  }

  async connect(path: string, body?: unknown): Promise<Duplex> {
    const request: Request = {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    };
    const upgrade = await this.backend.upgrade(request);
    if ('answer' in upgrade) throw new Error(`${path}: ${upgrade.answer.status} ${await text(upgrade.answer)}`);
    return upgrade.duplex;
  }

  /** Events from now on, until `until` holds for all that came. */
  async listen(filters: Record<string, string[]> = {}): Promise<Listener> {
    const abort = new AbortController();
    this.#listening.push(() => abort.abort());
    const query = new URLSearchParams({ filters: JSON.stringify(filters) });
    const answer = await this.stream(`/events?${query.toString()}`, abort.signal);
    return new Listener(answer);
  }

  later(job: () => Promise<unknown>): void {
    this.#made.push(job);
  }

  async tidy(): Promise<void> {
    for (const stop of this.#listening.splice(0)) stop();
    for (const job of this.#made.splice(0).toReversed()) await job();
  }

  /** Nothing of the cases must be left. */
  async leave(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ label: [LABEL] }));
    const { body } = await this.ok('GET', `/containers/json?all=1&filters=${filters}`);
    expect(body).toEqual([]);
  }
}

export class Listener {
  readonly events: EventMessage[] = [];
  readonly #source: AsyncGenerator<EventMessage>;

  constructor(answer: Answer) {
    this.#source = values<EventMessage>(answer.body);
  }

  async until(done: (events: EventMessage[]) => boolean): Promise<EventMessage[]> {
    while (!done(this.events)) {
      const { value, done: ended } = await this.#source.next();
      if (ended) throw new Error(`the events ended after ${JSON.stringify(this.events.map(told))}`);
      this.events.push(value);
    }
    return this.events;
  }

  /** `kind action` of all that is about `id`, or names it as its container, when `last` of it has come. */
  async about(id: string, last: string): Promise<string[]> {
    const own = (event: EventMessage) => event.Actor.ID === id || event.Actor.Attributes.container === id;
    const events = await this.until((events) => events.some((event) => own(event) && told(event) === last));
    return events.filter(own).map(told);
  }
}

function told(event: EventMessage): string {
  return `${event.Type} ${event.Action}`;
}

async function said(answer: Answer): Promise<Said> {
  const body = await text(answer);
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    // No JSON: the text is all there is.
  }
  return { status: answer.status, headers: answer.headers, text: body, body: parsed };
}

/** What a framed stream says on each of its streams, to its end. */
export async function spoken(body: ReadableStream<Uint8Array>): Promise<{ stdout: string; stderr: string }> {
  const frames = new Frames();
  const all = { stdin: '', stdout: '', stderr: '' };
  const decoder = new TextDecoder();
  for await (const chunk of chunks(body))
    for (const { stream, bytes } of frames.push(chunk)) all[stream] += decoder.decode(bytes);
  return { stdout: all.stdout, stderr: all.stderr };
}

export async function raw(body: ReadableStream<Uint8Array>): Promise<string> {
  let all = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunks(body)) all += decoder.decode(chunk, { stream: true });
  return all;
}

/** Reads a raw stream until `wanted` has come. */
export async function reads(reader: ReadableStreamDefaultReader<Uint8Array>, wanted: string): Promise<string> {
  let all = '';
  while (!all.includes(wanted)) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`ended without ${JSON.stringify(wanted)}: ${JSON.stringify(all)}`);
    all += new TextDecoder().decode(value);
  }
  return all;
}

export const filtered = (filters: Record<string, string[]>) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;
