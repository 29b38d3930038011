import type { Request } from '../../backend';
import { Failure, invalid, system } from './failure';
import { Filters } from './filters';
import { atoi, parseInt64 } from './strconv';
import { AFTER_ALL, END, Fault, parse } from './syntax';

/** One request to the simulated engine, with what handlers read from it. */
export class Call {
  readonly method: Request['method'];
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal | undefined;
  /** What stood for `{name}` in the route's pattern. */
  name = '';
  readonly #body: Request['body'];

  constructor(request: Request) {
    const [path = '', query = ''] = request.path.split('?', 2) as [string, string?];
    this.method = request.method;
    this.path = decode(path.replace(/^\/v\d+\.\d+(?=\/)/, ''));
    this.query = new URLSearchParams(query);
    this.headers = Object.fromEntries(
      Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
    );
    this.signal = request.signal;
    this.#body = request.body;
  }

  /** The first value, unless it is empty. */
  filled(name: string): string | undefined {
    return this.query.get(name) || undefined;
  }

  /** The engine's notion of truth: anything but empty, `0`, `no`, `false` and `none`. */
  flag(name: string, absent = false): boolean {
    const value = this.query.get(name);
    return value === null ? absent : !['', '0', 'no', 'false', 'none'].includes(value.trim().toLowerCase());
  }

  /** The engine takes one that is none for an error of its own. */
  number(name: string): number | undefined {
    const text = this.filled(name);
    return text === undefined ? undefined : atoi(text, system);
  }

  /** A point in time in milliseconds, from seconds with an optional fraction. */
  time(name: string): number | undefined {
    const text = this.filled(name);
    if (text === undefined || text === '-1') return undefined;
    const [whole = '', ...fraction] = text.split('.');
    for (const part of fraction.length > 0 ? [whole, fraction.join('.')] : [whole]) parseInt64(part, system);
    return Number(text) * 1000;
  }

  filters(): Filters {
    return Filters.parse(this.query.get('filters') ?? '');
  }

  async bytes(): Promise<Uint8Array> {
    const body = this.#body;
    if (body === undefined) return new Uint8Array();
    if (typeof body === 'string') return new TextEncoder().encode(body);
    return body instanceof Blob ? new Uint8Array(await body.arrayBuffer()) : body;
  }

  /** The body as an object of JSON, in the engine's words if it is none; a missing one is an empty object. */
  async json<T extends object>(): Promise<T> {
    return (await this.bytes()).length === 0 ? ({} as T) : this.requiredJson();
  }

  async requiredJson<T extends object>(): Promise<T> {
    const text = new TextDecoder().decode(await this.bytes());
    if (text.trim() === '') throw invalid('invalid JSON: got EOF while reading request body');
    let value: unknown;
    try {
      value = parse(text);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // Bodies are read as streams, which have words of their own for their ends.
      if (error.message.endsWith(AFTER_ALL)) throw invalid('unexpected content after JSON');
      throw invalid(`invalid JSON: ${error.message === END ? 'unexpected EOF' : error.message}`);
    }
    if (value === null) return {} as T;
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw invalid('invalid JSON: cannot unmarshal into field .: expected an object');
    }
    return withoutNulls(value) as T;
  }
}

// Members that are null count as absent, as in Go's decoder; within lists and maps of names they stay.
function withoutNulls(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null));
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new Failure(400, 'malformed path');
  }
}

type Kind = 'string' | 'number' | 'boolean' | 'list' | 'map';

/** Refuses members of another kind than `kinds` says, and names the first. */
export function check(value: object, kinds: Record<string, Kind>, within = ''): void {
  for (const [name, kind] of Object.entries(kinds)) {
    const member = (value as Record<string, unknown>)[name];
    if (member === undefined || member === null) continue;
    const is = Array.isArray(member) ? 'list' : typeof member === 'object' ? 'map' : typeof member;
    if (is !== kind) {
      throw invalid(
        `invalid JSON: cannot unmarshal into field ${within}${name}: invalid type: ${is}, expected a ${kind}`,
      );
    }
  }
}
