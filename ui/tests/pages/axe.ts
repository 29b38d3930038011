import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

type Result = { id: string; help: string; nodes: { target: unknown[]; failureSummary?: string }[] };

/** What is wrong with the page as it stands, by the rules of WCAG 2. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(async () => {
    await document.fonts.ready;
    // Colours on their way from one to the other are neither.
    await Promise.all(
      document
        .getAnimations()
        .map((one) =>
          one.effect?.getComputedTiming().iterations === Infinity ? one.cancel() : one.finished.catch(() => {}),
        ),
    );
  });
  const found = await page.evaluate(async (rules) => {
    const { axe } = window as unknown as {
      axe: { run(root: Document, options: object): Promise<{ violations: Result[] }> };
    };
    type Result = { id: string; help: string; nodes: { target: unknown[]; failureSummary?: string }[] };
    return (await axe.run(document, { runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'] }))
      .violations;
  }, RULES);
  return (found as Result[]).flatMap(({ id, nodes }) =>
    nodes.map(
      ({ target, failureSummary }) => `${id}: ${target.join(' ')} ${failureSummary?.split('\n')[1]?.trim() ?? ''}`,
    ),
  );
}

// The pages' policy lets no other script in; this one is the test's, put there by the browser's debugger.
export async function withAxe(page: Page): Promise<void> {
  await page.evaluate(AXE);
}
