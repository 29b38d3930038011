import type { ContainerSummary } from '$lib/api/generated';

/** How many Compose projects containers belong to. */
export function projectsIn(list: ContainerSummary[]): number {
  return new Set(list.map((one) => one.Labels['com.docker.compose.project']).filter(Boolean)).size;
}
