import { t } from '$lib/i18n/index.svelte';
import type { Problem as WishProblem } from './connect/wish';
import type { Problem as DraftProblem } from './create/draft';

type Problem = WishProblem | DraftProblem;

/** What is wrong with a field, for the person who typed it. */
export function say(problem: Problem | undefined): string | undefined {
  if (!problem) return undefined;
  const m = t().networks.problem;
  switch (problem.is) {
    case 'family':
      return m.family(problem.family);
    case 'inexact':
      return m.inexact(problem.better);
    case 'overlaps':
      return m.overlaps(problem.network);
    case 'twice':
      return m.twice(problem.name);
    case 'held':
      return m.held(problem.by);
    default:
      return m[problem.is];
  }
}
