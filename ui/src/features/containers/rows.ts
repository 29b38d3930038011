import type { ContainerSummary } from '$lib/api/generated';
import { nameOf, shortId } from '$lib/api/names';
import { isAlive } from '$lib/live/alive';
import { portViews, type PortView } from './ports';

export { isAlive };

export const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'] as const;
/** What the engine says a container does; `unknown` is a word that it has and these pages have not. */
export type State = (typeof STATES)[number] | 'unknown';
export type Health = 'healthy' | 'unhealthy' | 'starting';

/** One container as the lists show it. */
export type Row = {
  id: string;
  name: string;
  image: string;
  imageId: string;
  state: State;
  /** The engine's own words: `Up 5 minutes (healthy)`. */
  status: string;
  health?: Health;
  exitCode?: number;
  ports: PortView[];
  /** Milliseconds since the epoch. */
  created: number;
  project?: string;
  service?: string;
  /** Services of the project that this one wants to have before it. */
  dependsOn: string[];
  /** Names of the volumes that nobody gave a name. */
  anonymousVolumes: string[];
};

/** What compose writes on what it makes. */
export const LABEL = {
  project: 'com.docker.compose.project',
  service: 'com.docker.compose.service',
  files: 'com.docker.compose.project.config_files',
  folder: 'com.docker.compose.project.working_dir',
  dependsOn: 'com.docker.compose.depends_on',
  oneOff: 'com.docker.compose.oneoff',
} as const;

export function row(summary: ContainerSummary): Row {
  const labels = summary.Labels ?? {};
  return {
    id: summary.Id,
    name: nameOf(summary),
    image: imageWords(summary.Image),
    imageId: summary.ImageID,
    state: stateOf(summary.State),
    status: summary.Status,
    health: healthIn(summary.Status),
    exitCode: exitCodeIn(summary.Status),
    ports: portViews(summary.Ports ?? []),
    created: summary.Created * 1000,
    project: labels[LABEL.project] || undefined,
    service: labels[LABEL.service] || undefined,
    dependsOn: dependencies(labels[LABEL.dependsOn] ?? ''),
    anonymousVolumes: (summary.Mounts ?? [])
      .filter((mount) => mount.Type === 'volume' && /^[0-9a-f]{64}$/.test(mount.Name ?? ''))
      .map((mount) => mount.Name!),
  };
}

// An image whose name is gone is told by its whole digest, which nobody reads.
function imageWords(image: string): string {
  return /^(sha256:)?[0-9a-f]{64}$/.test(image) ? shortId(image) : image;
}

// `db:service_healthy:true,cache:service_started:false`
function dependencies(label: string): string[] {
  return label.split(',').flatMap((part) => part.split(':')[0]?.trim() || []);
}

function stateOf(word: string): State {
  return STATES.find((state) => state === word) ?? 'unknown';
}

/** A list of the engine tells the health in its words for people and nowhere else. */
export function healthIn(status: string): Health | undefined {
  const said = /\((?:health: )?(healthy|unhealthy|starting)\)\s*$/.exec(status)?.[1];
  return said as Health | undefined;
}

export function exitCodeIn(status: string): number | undefined {
  const code = /^(?:Exited|Restarting) \((-?\d+)\)/.exec(status)?.[1];
  return code === undefined ? undefined : Number(code);
}

export type Tone = 'good' | 'bad' | 'warn' | 'quiet' | 'info';

/** How a row's state looks: bad is what somebody should look at. */
export function toneOf(row: Pick<Row, 'state' | 'health' | 'exitCode'>): Tone {
  switch (row.state) {
    case 'running':
      return row.health === 'unhealthy' ? 'bad' : row.health === 'starting' ? 'info' : 'good';
    case 'paused':
      return 'warn';
    case 'restarting':
      return 'warn';
    case 'exited':
      return wasError(row.exitCode) ? 'bad' : 'quiet';
    case 'dead':
      return 'bad';
    default:
      return 'quiet';
  }
}

// 137 and 143 are what being stopped looks like (128 + SIGKILL, SIGTERM): somebody's wish more often than a failure.
function wasError(code: number | undefined): boolean {
  return code !== undefined && ![0, 137, 143].includes(code);
}

export const VERBS = ['start', 'stop', 'restart', 'pause', 'resume', 'kill', 'remove', 'rename'] as const;
export type Verb = (typeof VERBS)[number];

/** Whether the engine would do `verb` to a container in this state. */
export function allowed(verb: Verb, state: State): boolean {
  switch (verb) {
    case 'start':
      return state === 'created' || state === 'exited';
    case 'stop':
    case 'kill':
      return isAlive(state);
    case 'restart':
      return state !== 'dead' && state !== 'removing';
    case 'pause':
      return state === 'running';
    case 'resume':
      return state === 'paused';
    case 'remove':
      return state !== 'removing';
    case 'rename':
      return state !== 'removing' && state !== 'dead';
  }
}

/** What a prune removes. */
export function isStopped(state: State): boolean {
  return state === 'created' || state === 'exited' || state === 'dead';
}
