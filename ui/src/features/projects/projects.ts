import type { ContainerSummary } from '$lib/api/generated';
import { isAlive, LABEL, row, type Row } from '$features/containers/rows';

export type Service = { name: string; rows: Row[] };

/** One Compose project, as the labels of its containers tell it. */
export type Project = {
  name: string;
  services: Service[];
  rows: Row[];
  /** Paths of its compose files on the computer that ran compose. */
  files: string[];
  folder?: string;
};

/** How a project is as a whole. */
export type Condition = 'running' | 'partly' | 'stopped' | 'unwell';

const words = new Intl.Collator('en', { numeric: true });

/** The projects by name. */
export function projects(summaries: readonly ContainerSummary[]): Project[] {
  const found = new Map<string, Project>();
  for (const summary of summaries) {
    const labels = summary.Labels ?? {};
    const name = labels[LABEL.project];
    if (!name) continue;
    let project = found.get(name);
    if (project === undefined) found.set(name, (project = { name, services: [], rows: [], files: [] }));
    const one = row(summary);
    project.rows.push(one);
    place(project, one);
    // Containers made at different times may name different files; all of them belong.
    for (const file of paths(labels[LABEL.files])) if (!project.files.includes(file)) project.files.push(file);
    project.folder ??= labels[LABEL.folder] || undefined;
  }
  const inOrder = [...found.values()].sort((one, other) => words.compare(one.name, other.name));
  for (const project of inOrder) {
    project.services.sort((one, other) => words.compare(one.name, other.name));
    project.rows.sort((one, other) => words.compare(one.name, other.name));
  }
  return inOrder;
}

function place(project: Project, one: Row): void {
  const name = one.service ?? one.name;
  const service = project.services.find((other) => other.name === name);
  if (service === undefined) project.services.push({ name, rows: [one] });
  else service.rows.push(one);
}

function paths(label: string | undefined): string[] {
  return (label ?? '').split(',').flatMap((path) => path.trim() || []);
}

export function condition(project: Project): Condition {
  const alive = project.rows.filter((one) => isAlive(one.state));
  if (alive.length === 0) return 'stopped';
  if (alive.some((one) => one.health === 'unhealthy' || one.state === 'restarting')) return 'unwell';
  // What has done its work and ended well (a migration, say) is no part that is missing.
  const ended = project.rows.filter((one) => !isAlive(one.state) && one.exitCode !== 0);
  return ended.length === 0 ? 'running' : 'partly';
}

const TONES = { running: 'good', partly: 'warn', stopped: 'quiet', unwell: 'bad' } as const;

export function toneOf(project: Project): (typeof TONES)[Condition] {
  return TONES[condition(project)];
}

export function runningCount(project: Project): number {
  return project.rows.filter((one) => isAlive(one.state)).length;
}

/** Takes the project down with its networks, which the engine alone would leave: only compose knows what is its own. */
export function downCommand(project: Project): string {
  return compose(project, 'down');
}

/** Makes the project as its files say now. */
export function upCommand(project: Project): string {
  return compose(project, 'up -d');
}

function compose(project: Project, verb: string): string {
  const files = project.files.map((file) => `-f ${quoted(file)} `).join('');
  return `docker compose -p ${quoted(project.name)} ${files}${verb}`;
}

/** What starts a project from a file that the person names. */
export function startCommand(file: string): string {
  return `docker compose -f ${quoted(file)} up -d`;
}

/** A word as the person's shell takes it whole. */
export function quoted(text: string): string {
  const isWindows = /^([A-Za-z]:[\\/]|\\\\)/.test(text);
  if (isWindows) return /^[\w\\/:.-]+$/.test(text) ? text : `"${text}"`;
  return /^[\w@%+=:,./~-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The projects that the person asks for: every word is somewhere in what a project says. */
export function matching(all: readonly Project[], search: string): Project[] {
  const wanted = search.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((project) => {
    const texts = [project.name, project.folder ?? '', ...project.files, ...project.services.map(({ name }) => name)];
    return wanted.every((word) => texts.some((text) => text.toLowerCase().includes(word)));
  });
}
