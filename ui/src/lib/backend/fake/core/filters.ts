import { type Failure, invalid } from './failure';
import { pointInTime } from './time';

/** The `filters` parameter: names to the values that they accept, sent as lists or as sets (`{"a": {"b": true}}`). */
export class Filters {
  private constructor(readonly fields: Map<string, string[]>) {}

  static parse(text: string): Filters {
    const fields = new Map<string, string[]>();
    if (text === '') return new Filters(fields);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw malformed();
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed();
    for (const [name, values] of Object.entries(value)) fields.set(name, [...new Set(accepted(values))].toSorted());
    return new Filters(fields);
  }

  only(known: string[], refuse: Refuse = invalid): void {
    for (const name of [...this.fields.keys()].toSorted()) {
      if (!known.includes(name)) throw refuse(`invalid filter '${name}'`);
    }
  }

  has(name: string): boolean {
    return this.values(name).length > 0;
  }

  values(name: string): string[] {
    return this.fields.get(name) ?? [];
  }

  /** Whether `test` holds for one of the values, or the filter was not given. */
  any(name: string, test: (wanted: string) => boolean): boolean {
    const values = this.values(name);
    return values.length === 0 || values.some(test);
  }

  accepts(name: string, value: string): boolean {
    return this.any(name, (wanted) => wanted === value);
  }

  labels(have: Record<string, string> | null | undefined, name = 'label'): boolean {
    return this.values(name).every((wanted) => labelMatches(wanted, have ?? {}));
  }

  /** What a prune may take by its labels. */
  prunable(have: Record<string, string> | null | undefined): boolean {
    return this.labels(have) && !this.values('label!').some((wanted) => labelMatches(wanted, have ?? {}));
  }

  /** The `until` of a prune: only what is older. A duration counts back from `now`. */
  until(now: number, refuse: Refuse = invalid): number | undefined {
    const [text, another] = this.values('until');
    if (another !== undefined) throw refuse('more than one until filter specified');
    return text === undefined ? undefined : pointInTime(text, now, refuse);
  }

  flag(name: string): boolean | undefined {
    let flag: boolean | undefined;
    for (const value of this.values(name)) {
      const parsed = ['1', 'true'].includes(value) ? true : ['0', 'false'].includes(value) ? false : undefined;
      if (parsed === undefined || (flag !== undefined && flag !== parsed)) {
        throw invalid(`invalid filter '${name}=[${this.values(name).join(' ')}]'`);
      }
      flag = parsed;
    }
    return flag;
  }
}

type Refuse = (words: string) => Failure;

/** Which part it is that does not fit, the engine does not tell. */
const malformed = () => invalid('invalid filter');

function accepted(values: unknown): string[] {
  if (values === null) return [];
  if (typeof values !== 'object') throw malformed();
  if (Array.isArray(values)) {
    return values.map((value: unknown) => {
      if (value !== null && typeof value !== 'string') throw malformed();
      return value ?? '';
    });
  }
  return Object.entries(values).flatMap(([value, wanted]: [string, unknown]) => {
    if (wanted !== null && typeof wanted !== 'boolean') throw malformed();
    return wanted ? [value] : [];
  });
}

export function labelMatches(wanted: string, labels: Record<string, string>): boolean {
  const at = wanted.indexOf('=');
  if (at < 0) return Object.hasOwn(labels, wanted);
  const name = wanted.slice(0, at);
  return Object.hasOwn(labels, name) && labels[name] === wanted.slice(at + 1);
}

/** A `name` filter of volumes and networks: a part of the name, which `^` and `$` bind to its beginning and end. */
export function nameMatches(wanted: string, name: string): boolean {
  const start = wanted.startsWith('^');
  const end = wanted.endsWith('$');
  const text = wanted.slice(start ? 1 : 0, end ? -1 : undefined);
  if (start && end) return name === text;
  return start ? name.startsWith(text) : end ? name.endsWith(text) : name.includes(text);
}
