import { t } from '$lib/i18n/index.svelte';
import type { Problem } from './check';

/** A problem in words. */
export function told(problem: Problem): string {
  const texts = t().images.run.problem;
  if (problem.kind === 'image') return t().images.reference[problem.why];
  if (problem.kind === 'portTaken') return texts.portTaken(problem.port, problem.by);
  return texts[problem.kind];
}
