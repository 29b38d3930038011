import type { BuildInspect, BuildVertex } from '$lib/api/builds';
import { instant } from '$lib/live/clock';

/** Of the element that the step which failed is told by. */
export const FAILED_STEP = 'failed-step';

export type StepState = 'waiting' | 'running' | 'done' | 'cached' | 'error' | 'canceled' | 'skipped';

/** One step as it is drawn. */
export interface Step {
  /** Which, counted from 0: digests are the engine's own business. */
  at: number;
  digest: string;
  /** In brackets before the rest: its stage and its number there. */
  stage: string;
  text: string;
  state: StepState;
  error: string;
  /** Milliseconds since the build began; undefined for what has not begun. */
  began: number | undefined;
  /** Milliseconds. */
  took: number | undefined;
}

/** The steps of a build on one axis of time. */
export interface Timeline {
  steps: Step[];
  /** Milliseconds from the beginning of the axis to its end. */
  length: number;
}

/** What BuildKit says of a step that was called off. */
const CALLED_OFF = /(^|: )context canceled$/;

export function timeline(build: BuildInspect, now: number): Timeline {
  const starts = build.Vertices.map(({ StartedAt }) => instant(StartedAt ?? undefined));
  const ends = build.Vertices.map(({ CompletedAt }) => instant(CompletedAt ?? undefined));
  const known = (times: (number | undefined)[]) => times.filter((time) => time !== undefined);
  const created = instant(build.CreatedAt);
  const first = Math.min(...known([created, ...starts]));
  const begin = Number.isFinite(first) ? first : now;
  const isRunning = build.Status === 'running';
  const over = isRunning ? now : (instant(build.CompletedAt ?? undefined) ?? begin);
  const end = Math.max(begin, over, ...known(starts), ...known(ends));
  const steps = build.Vertices.map((vertex, at): Step => {
    const [start, until] = [starts[at], ends[at] ?? (isRunning ? Math.max(now, starts[at] ?? 0) : end)];
    return {
      at,
      digest: vertex.Digest,
      ...parted(vertex.Name),
      state: stateOf(vertex, isRunning),
      error: vertex.Error,
      began: start === undefined ? undefined : start - begin,
      took: start === undefined ? undefined : Math.max(0, until - start),
    };
  });
  return { steps, length: Math.max(1, end - begin) };
}

/** Which step made the build fail, counted from 0. */
export function failedStep({ Vertices }: BuildInspect): number | undefined {
  const at = Vertices.findIndex(({ Error }) => Error !== '' && !CALLED_OFF.test(Error));
  return at < 0 ? undefined : at;
}

function stateOf({ StartedAt, CompletedAt, Cached, Error }: BuildVertex, isRunning: boolean): StepState {
  if (Error !== '') return CALLED_OFF.test(Error) ? 'canceled' : 'error';
  if (Cached) return 'cached';
  if (StartedAt === null) return isRunning ? 'waiting' : 'skipped';
  if (CompletedAt === null) return isRunning ? 'running' : 'canceled';
  return 'done';
}

/** `[build 2/6] RUN make` in two. */
function parted(name: string): Pick<Step, 'stage' | 'text'> {
  const [, stage, text] = /^\[([^\]]+)\] (.+)$/s.exec(name) ?? [];
  return stage === undefined || text === undefined ? { stage: '', text: name } : { stage, text };
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DISTANCES = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 6, 12].map((n) => n * HOUR),
];

/** Round times to write below an axis of `length` milliseconds, from 0 on, at most `most` and one. */
export function ticks(length: number, most = 5): number[] {
  const days = Math.ceil(length / most / (24 * HOUR)) * 24 * HOUR;
  const distance = DISTANCES.find((one) => length / one <= most) ?? days;
  return Array.from({ length: Math.floor(length / distance) + 1 }, (_, at) => at * distance);
}
