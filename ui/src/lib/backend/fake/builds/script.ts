import type { BuildStatus, BuildVertex } from '$lib/api/builds';
import { Random } from '../core/random';
import { rfc3339 } from '../core/time';

/** One step of a simulated build; times are milliseconds since the build began. */
export interface ScriptedStep {
  name: string;
  from: number;
  takes: number;
  cached?: boolean;
  /** Why it fails. */
  error?: string;
  /** What it writes, and how long after its beginning. */
  output?: [after: number, line: string][];
}

export interface Wish {
  name: string;
  /** Milliseconds ago. */
  ago: number;
  steps: ScriptedStep[];
  dockerfile?: string;
  context?: string;
  target?: string;
  platform?: string;
  tags?: string[];
  warnings?: number;
  /** How long after its beginning whoever asked for it called it off. */
  calledOff?: number;
}

/** What a log holds, and when it came there. */
export interface Written {
  at: number;
  step: number;
  text: string;
}

/** A build that goes by a script: at any moment it is as far as the time that has passed since its beginning. */
export class ScriptedBuild {
  readonly ref: string;
  readonly digests: readonly string[];
  readonly #ends: number;

  constructor(
    readonly wish: Wish,
    /** Milliseconds since the epoch. */
    readonly began: number,
    seed: number,
  ) {
    const random = new Random(seed);
    this.ref = Array.from({ length: 25 }, () => random.between(0, 35).toString(36)).join('');
    this.digests = wish.steps.map(() => random.digest());
    const end = Math.max(0, ...wish.steps.map(({ from, takes }) => from + takes));
    this.#ends = began + Math.min(end, wish.calledOff ?? Infinity);
  }

  status(now: number): BuildStatus {
    if (now < this.#ends) return 'running';
    if (this.wish.calledOff !== undefined) return 'canceled';
    return this.error === '' ? 'completed' : 'error';
  }

  get error(): string {
    return this.wish.steps.find(({ error }) => error !== undefined)?.error ?? '';
  }

  ended(now: number): string | null {
    return now < this.#ends ? null : rfc3339(this.#ends);
  }

  vertices(now: number): BuildVertex[] {
    const until = Math.min(now, this.#ends);
    return this.wish.steps.map(({ name, from, takes, cached = false, error = '' }, at) => {
      const [begins, ends] = [this.began + from, this.began + from + takes];
      const isOver = ends <= until;
      const isCalledOff = !isOver && begins <= until && now >= this.#ends;
      return {
        Digest: this.digests[at]!,
        Name: name,
        StartedAt: begins <= until ? rfc3339(begins) : null,
        CompletedAt: isOver ? rfc3339(ends) : isCalledOff ? rfc3339(this.#ends) : null,
        Cached: isOver && cached,
        Error: isOver ? error : isCalledOff ? 'context canceled' : '',
      };
    });
  }

  /** All that its log will hold, in order: of one step without numbers and times, of all as `--progress=plain` writes it. */
  written(vertex?: string): Written[] {
    const all = this.wish.steps.flatMap((step, at): Written[] => {
      if (vertex !== undefined && this.digests[at] !== vertex) return [];
      const number = `#${at + 1}`;
      const begins = this.began + step.from;
      const output = (step.output ?? []).map(([after, line]) => ({
        at: begins + after,
        step: at,
        text: vertex === undefined ? `${number} ${(after / 1000).toFixed(3)} ${line}` : line,
      }));
      if (vertex !== undefined) return output;
      const head = { at: begins, step: at, text: `${number} ${step.name}` };
      const took = (step.takes / 1000).toFixed(1);
      const last = step.cached ? 'CACHED' : step.error === undefined ? `DONE ${took}s` : `ERROR: ${step.error}`;
      return [head, ...output, { at: begins + step.takes, step: at, text: `${number} ${last}` }];
    });
    return all.toSorted((a, b) => a.at - b.at).filter(({ at }) => at <= this.#ends);
  }

  get ends(): number {
    return this.#ends;
  }
}
