import type { Request } from '../../backend';
import { Failure, invalid, system } from './failure';
import { Filters } from './filters';

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

  number(name: string): number | undefined {
    const text = this.filled(name);
    if (text === undefined) return undefined;
    if (!/^-?\d+$/.test(text)) throw invalid(`invalid ${name} "${text}": not a number`);
    return Number(text);
  }

  /** A point in time in milliseconds, from seconds with an optional fraction. */
  time(name: string): number | undefined {
    const text = this.filled(name);
    if (text === undefined || text === '-1') return undefined;
    for (const part of text.split('.', 2)) {
      if (!/^-?\d+$/.test(part)) throw system(`strconv.ParseInt: parsing "${part}": invalid syntax`);
    }
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

  /** The body as an object of JSON, in the engine's words if it is none. */
  async json<T extends object>(): Promise<T> {
    const text = new TextDecoder().decode(await this.bytes());
    if (text.trim() === '') throw invalid('invalid JSON: got EOF while reading request body');
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw invalid(`invalid JSON: ${(error as Error).message}`);
    }
    if (value === null) return {} as T;
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw invalid('invalid JSON: cannot unmarshal into field .: expected an object');
    }
    return withoutNulls(value) as T;
  }

  /** The same; an empty body is an empty object. */
  async jsonOrNothing<T extends object>(): Promise<Partial<T>> {
    return (await this.bytes()).length === 0 ? {} : this.json<T>();
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
