import { expect, test, type Page } from '@playwright/test';
import { violations, withAxe } from './axe';
import { open, reload, show, VIEWS } from './support';

/** What does not fit in the window's width, or lies where nobody can scroll to. */
function cutOff(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const told: string[] = [];
    const wide = document.scrollingElement!;
    if (wide.scrollWidth > wide.clientWidth) told.push(`the window scrolls sideways: ${wide.scrollWidth}`);
    for (const one of document.querySelectorAll<HTMLElement>('main h1, main button, main nav a, header a')) {
      const { left, right, width } = one.getBoundingClientRect();
      if (width === 0 || !one.checkVisibility()) continue;
      // What scrolls shows the rest of itself.
      let frame: HTMLElement | null = one.parentElement;
      while (frame && !/auto|scroll/.test(getComputedStyle(frame).overflowX)) frame = frame.parentElement;
      if (frame && frame.scrollWidth > frame.clientWidth) continue;
      if (left < -1 || right > innerWidth + 1) told.push(`${one.textContent?.trim()}: ${left} to ${right}`);
    }
    return told;
  });
}

for (const [what, viewport, size] of [
  ['in the smallest window', { width: 640, height: 420 }, 100],
  ['with text twice as large', { width: 1280, height: 800 }, 200],
] as const)
  test(`every view ${what}`, async ({ page }) => {
    test.setTimeout(180_000);
    await page.setViewportSize(viewport);
    await page.addInitScript((size) => {
      localStorage.setItem('berth.prefs', JSON.stringify({ theme: 'light', locale: 'en', size }));
    }, size);
    await open(page);
    await expect(page.locator('html')).toHaveCSS('font-size', `${(16 * size) / 100}px`);
    await expect(page.locator('main [data-at]').first()).toBeVisible();
    await withAxe(page);
    const wrong: string[] = [];
    for (const view of VIEWS) {
      await show(page, view);
      const all = [...(await cutOff(page)), ...(await violations(page))];
      wrong.push(...all.map((one) => `${view.name}: ${one}`));
    }
    expect(wrong).toEqual([]);
  });

test('the setting makes all of it larger, and it is kept', async ({ page }) => {
  await open(page, { at: '#/settings' });
  const size = page.getByRole('combobox', { name: 'Size of text' });
  const side = page.locator('header').first();
  const before = (await side.boundingBox())!.width;
  await size.selectOption({ label: '125%' });
  await expect(page.locator('html')).toHaveCSS('font-size', '20px');
  expect((await side.boundingBox())!.width).toBeCloseTo(before * 1.25, 0);
  await reload(page);
  await expect(page.locator('html')).toHaveCSS('font-size', '20px');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('as large as usual');
  await page.keyboard.press('Enter');
  await expect(page.locator('html')).toHaveCSS('font-size', '16px');
  // In the window, which this is as far as the pages know.
  await page.keyboard.press('Control+=');
  await expect(size).toHaveValue('110');
  await page.keyboard.press('Control+0');
  await expect(size).toHaveValue('100');
  for (let times = 0; times < 3; times++) await page.keyboard.press('Control+-');
  await expect(size).toHaveValue('80');
});
