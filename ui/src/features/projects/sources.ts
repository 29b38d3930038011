import { isAlive, type Row } from '$features/containers/rows';
import type { Source } from './logs.svelte';
import type { Project } from './projects';

/** Told apart on both grounds of a log; red is last, since it looks like an error. */
const COLOURS = ['cyan', 'magenta', 'green', 'yellow', 'blue', 'bright-cyan', 'bright-magenta', 'bright-green', 'red'];

/** The containers of a project as sources of lines: by the service, with a number where it has several. */
export function sources(project: Project): Source[] {
  return project.services.flatMap(({ name, rows }) =>
    rows.map((row) => ({
      id: row.id,
      label: rows.length === 1 ? name : labelOf(project.name, row),
      alive: isAlive(row.state),
    })),
  );
}

function labelOf(project: string, row: Row): string {
  const prefix = `${project}-`;
  return row.name.startsWith(prefix) ? row.name.slice(prefix.length) : row.name;
}

/** A colour for each label, the same for all containers of a service. */
export function colours(project: Project): Record<string, string> {
  const byId = new Map(
    project.services.flatMap(({ rows }, at) => rows.map((row) => [row.id, COLOURS[at % COLOURS.length]!] as const)),
  );
  return Object.fromEntries(sources(project).map(({ id, label }) => [label, `var(--ansi-${byId.get(id)})`]));
}
