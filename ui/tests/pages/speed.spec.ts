import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@playwright/test';
import { open } from './support';

/** What the pages may cost. Bounds that hold on a slow computer with two processors; the figures aimed at are in the README. */
const BUDGET = {
  /** All that a window loads that opens no terminal, in bytes of gzip. */
  bundle: 400_000,
  /** Milliseconds from the arrival of 500 containers to their being painted. */
  firstPaint: 300,
  /** Elements of the whole page with 500 containers in the list: only the rows in sight are drawn. */
  elements: 2_500,
  /** The longest that a scroll through the list may keep the page from anything else, in milliseconds. */
  longTask: 200,
};

const DIST = fileURLToPath(new URL('../../dist/assets/', import.meta.url));

test('the bundle is small without the terminal', () => {
  const files = readdirSync(DIST).filter((name) => /\.(js|css)$/.test(name));
  const sizes = files.map((name) => ({ name, text: readFileSync(`${DIST}${name}`, 'utf8') }));
  // The terminal's chunk is what has xterm in it; the simulated engine is not in the window's bundle.
  const counted = sizes.filter(({ name, text }) => !text.includes('xterm-helper-textarea') && !/scenes/.test(name));
  expect(counted.length).toBeLessThan(sizes.length);
  const bytes = counted.reduce((sum, { text }) => sum + gzipSync(text, { level: 9 }).length, 0);
  expect(bytes).toBeLessThanOrEqual(BUDGET.bundle);
});

test('five hundred containers are painted soon after they came', async ({ page }) => {
  await page.addInitScript(() => {
    // The list is given to the page as bytes: the last of them is the moment from which it is counted.
    const marks: { data?: number; painted?: number } = {};
    Object.assign(window, { marks });
    const seen = new MutationObserver(() => {
      if (marks.data === undefined || document.querySelectorAll('main [data-at]').length < 10) return;
      seen.disconnect();
      // After the frame that draws them.
      requestAnimationFrame(() => setTimeout(() => (marks.painted = performance.now())));
    });
    addEventListener('DOMContentLoaded', () => seen.observe(document.body, { childList: true, subtree: true }));
    const parse = JSON.parse;
    JSON.parse = function (text, ...rest) {
      const value: unknown = parse.call(JSON, text, ...rest);
      if (marks.data === undefined && Array.isArray(value) && value.length >= 500 && 'Names' in (value[0] as object))
        marks.data = performance.now();
      return value;
    };
  });
  await open(page, { scene: 'many' });
  const marks = () => page.evaluate(() => (window as unknown as { marks: { data?: number; painted?: number } }).marks);
  await expect.poll(async () => (await marks()).painted).toBeDefined();
  const { data, painted } = await marks();
  expect(painted! - data!).toBeLessThanOrEqual(BUDGET.firstPaint);
});

test('only what is in sight is drawn, and scrolling keeps it so', async ({ page }) => {
  await open(page, { scene: 'many' });
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  const elements = () => page.evaluate(() => document.querySelectorAll('*').length);
  expect(await elements()).toBeLessThan(BUDGET.elements);
  const longest = await page.evaluate(async () => {
    let longest = 0;
    const tasks = new PerformanceObserver((list) => {
      for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
    });
    tasks.observe({ type: 'longtask' });
    const box = document.querySelector<HTMLElement>('main [role=treegrid]')!;
    const frame = () => new Promise(requestAnimationFrame);
    for (let at = 0; at < 60; at += 1) {
      box.scrollTop += 300;
      await frame();
    }
    await frame();
    tasks.disconnect();
    return longest;
  });
  expect(await elements()).toBeLessThan(BUDGET.elements);
  expect(longest).toBeLessThanOrEqual(BUDGET.longTask);
});
