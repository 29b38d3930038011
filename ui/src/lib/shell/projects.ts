import type { ContainerSummary } from '$lib/api/generated';

/** The Compose projects that containers belong to. */
export function projectsIn(list: ContainerSummary[]): string[] {
  return [...new Set(list.map((one) => one.Labels['com.docker.compose.project'] ?? ''))]
    .filter((name) => name !== '')
    .sort();
}
