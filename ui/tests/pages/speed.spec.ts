import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@playwright/test';
import { open } from './support';

/** What the pages may cost, where it can be counted; what must be timed is in `tests/bench`. */
const BUDGET = {
  /** All that a window loads that opens no terminal, in bytes of gzip. */
  bundle: 400_000,
  /** Elements of the whole page with 500 containers in the list: only the rows in sight are drawn. */
  elements: 2_500,
};

/** The bundle for browsers, and the one in the window's program, which `npm run build:window` makes. */
for (const bundle of ['dist', 'dist-window'])
  test(`the bundle is small without the terminal: ${bundle}`, () => {
    const folder = fileURLToPath(new URL(`../../${bundle}/assets/`, import.meta.url));
    const files = readdirSync(folder).filter((name) => /\.(js|css)$/.test(name));
    const sizes = files.map((name) => ({ name, text: readFileSync(`${folder}${name}`, 'utf8') }));
    const isSimulated = ({ name }: { name: string }) => /scenes/.test(name);
    expect(sizes.some(isSimulated), 'a simulated engine').toBe(bundle === 'dist');
    // The terminal's chunk is what has xterm in it.
    const counted = sizes.filter((one) => !one.text.includes('xterm-helper-textarea') && !isSimulated(one));
    expect(counted.length).toBeLessThan(sizes.length);
    const bytes = counted.reduce((sum, { text }) => sum + gzipSync(text, { level: 9 }).length, 0);
    expect(bytes).toBeLessThanOrEqual(BUDGET.bundle);
  });

test('only what is in sight is drawn, and scrolling keeps it so', async ({ page }) => {
  await open(page, { scene: 'many' });
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  const elements = () => page.evaluate(() => document.querySelectorAll('*').length);
  expect(await elements()).toBeLessThan(BUDGET.elements);
  await page.evaluate(async () => {
    const box = document.querySelector<HTMLElement>('main [role=treegrid]')!;
    for (let at = 0; at < 60; at += 1) {
      box.scrollTop += 300;
      await new Promise(requestAnimationFrame);
    }
  });
  expect(await elements()).toBeLessThan(BUDGET.elements);
});
