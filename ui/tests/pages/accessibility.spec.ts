import { expect, test } from '@playwright/test';
import { violations, withAxe } from './axe';
import { LOCALES, open, show, THEMES, VIEWS } from './support';

for (const theme of THEMES)
  for (const locale of LOCALES)
    test(`every view, ${theme}, ${locale}`, async ({ page }) => {
      test.setTimeout(180_000);
      await open(page, { theme, locale });
      await expect(page.locator('main [data-at]').first()).toBeVisible();
      await withAxe(page);
      const wrong: string[] = [];
      for (const view of VIEWS) {
        await show(page, view);
        wrong.push(...(await violations(page)).map((what) => `${view.name}: ${what}`));
      }
      expect(wrong).toEqual([]);
    });

for (const theme of THEMES)
  test(`what opens over the pages, ${theme}`, async ({ page }) => {
    await open(page, { theme, at: '#/networks' });
    await expect(page.locator('main [data-at]').first()).toBeVisible();
    await withAxe(page);
    const wrong: string[] = [];
    const look = async (what: string) => wrong.push(...(await violations(page)).map((one) => `${what}: ${one}`));
    await page.keyboard.press('Control+k');
    await expect(page.getByRole('combobox')).toBeVisible();
    await page.keyboard.type('shop');
    await look('palette');
    await page.keyboard.press('Escape');
    // Before, the next key is the palette's.
    await expect(page.getByRole('combobox')).toBeHidden();
    await page.keyboard.press('?');
    await expect(page.getByRole('dialog')).toBeVisible();
    await look('keys');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Create a network' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click();
    await look('dialog with a mistake');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Remove unused' }).click();
    await expect(page.getByRole('alertdialog')).toBeVisible();
    await look('question');
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove unused' }).click();
    await expect(page.getByText('Removed 2 networks')).toBeVisible();
    await look('message');
    expect(wrong).toEqual([]);
  });

for (const scene of ['empty', 'unreachable'])
  test(`nothing there: ${scene}`, async ({ page }) => {
    await open(page, { scene });
    await expect(page.locator('main h1, main h2').first()).toBeVisible();
    await withAxe(page);
    const wrong: string[] = [];
    for (const at of [
      '#/containers',
      '#/projects',
      '#/images',
      '#/builds',
      '#/builds?show=cache',
      '#/volumes',
      '#/networks',
      '#/networks?show=map',
      '#/nowhere',
    ]) {
      await page.evaluate((to) => (location.hash = to), at);
      await expect(page.locator('main h1, main h2').first()).toBeVisible();
      wrong.push(...(await violations(page)).map((what) => `${at}: ${what}`));
    }
    expect(wrong).toEqual([]);
  });

for (const theme of THEMES)
  test(`a machine that does not run, ${theme}`, async ({ page }) => {
    test.setTimeout(180_000);
    const wrong: string[] = [];
    for (const [scene, at, drawn] of [
      ['first', '#/first', 'main .takes li'],
      ['stopped', '#/images', 'main button.primary'],
      ['stopped', '#/machine', 'main .notice'],
      ['starting', '#/machine', 'main ol li.active'],
      ['trouble', '#/machine', 'main .notice.warn'],
    ] as const) {
      await open(page, { scene, at, theme });
      await expect(page.locator(drawn).first()).toBeVisible();
      await withAxe(page);
      wrong.push(...(await violations(page)).map((what) => `${scene} ${at}: ${what}`));
    }
    await open(page, { scene: 'fails-engine', at: '#/machine', theme });
    await page.locator('main button.primary').click();
    await expect(page.locator('main .notice.bad')).toBeVisible({ timeout: 30_000 });
    await withAxe(page);
    wrong.push(...(await violations(page)).map((what) => `failed: ${what}`));
    expect(wrong).toEqual([]);
  });
