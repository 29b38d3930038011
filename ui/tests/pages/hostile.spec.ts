import { expect, test, type Page } from '@playwright/test';
import { complaints, fill, open, show, VIEWS } from './support';

/** What of the scene's markup became markup. */
function injected(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found = [...document.querySelectorAll('script, img, iframe, object, embed, [onerror], [onload]')]
      .filter((one) => !(one instanceof HTMLScriptElement && one.type === 'module' && one.src !== ''))
      .map((one) => one.outerHTML.slice(0, 120));
    const links = [...document.querySelectorAll('a')].map((a) => a.getAttribute('href') ?? '');
    const bad = links.filter((href) => !/^(#\/|#main$|https?:\/\/|blob:)/.test(href));
    return [...found, ...bad, ...('hacked' in window ? ['a script of the scene ran'] : [])];
  });
}

test('what engines, images and containers say stays text on every page', async ({ page }) => {
  const said = complaints(page);
  await page.addInitScript(() => {
    const violations: string[] = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      violations.push(`${violatedDirective} ${blockedURI}`),
    );
    Object.assign(window, { violations });
  });
  await open(page, { scene: 'hostile' });
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  for (const view of VIEWS) {
    await test.step(view.name, async () => {
      await show(page, view, { network: '<img src=x onerror="window.hacked=true">', volume: 'plain' });
      expect(await injected(page), view.name).toEqual([]);
    });
  }
  expect(await page.evaluate(() => (window as unknown as { violations: string[] }).violations)).toEqual([]);
  expect(said).toEqual([]);
});

test('every container of the scene can be looked at, whatever its name', async ({ page }) => {
  const said = complaints(page);
  await open(page, { scene: 'hostile' });
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  const places = await page
    .locator('main [data-at] a[href^="#/containers/"]')
    .evaluateAll((links) => [
      ...new Set(links.map((link) => link.getAttribute('href')!.split('/').slice(0, 3).join('/'))),
    ]);
  expect(places.length).toBeGreaterThan(3);
  for (const place of places) {
    for (const tab of ['logs', 'details', 'inspect']) {
      await page.evaluate((to) => (location.hash = to), `${place}/${tab}`);
      await expect(page.locator('main h1')).not.toBeEmpty();
      await expect(page.locator('main .spinner')).toHaveCount(0);
      expect(await injected(page)).toEqual([]);
    }
  }
  expect(said).toEqual([]);
});

test('a line of ten megabytes is shown without drawing ten megabytes', async ({ page }) => {
  await open(page, { scene: 'hostile' });
  const at = await fill(page, '#/containers/{container}/logs', { container: 'ten-megabytes' });
  await page.evaluate((to) => (location.hash = to), at);
  await expect(page.getByText('after the long line')).toBeVisible();
  const drawn = await page.evaluate(() => document.querySelector('main')!.textContent.length);
  expect(drawn).toBeLessThan(1_000_000);
  // The page still does what it is told.
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
});

test('the palette, questions and messages show names as text', async ({ page }) => {
  await open(page, { scene: 'hostile', at: '#/networks' });
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('img');
  await expect(page.getByRole('option').filter({ hasText: '<img src=x' }).first()).toBeVisible();
  expect(await injected(page)).toEqual([]);
  await page.keyboard.press('Escape');
  const network = page.getByRole('row').filter({ hasText: '<img src=x' });
  await network.hover();
  await network.getByRole('button', { name: /^Remove/ }).click();
  await expect(page.getByRole('alertdialog')).toContainText('<img src=x onerror="window.hacked=true">');
  expect(await injected(page)).toEqual([]);
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('region', { name: 'Notifications' })).toContainText('<img src=x');
  expect(await injected(page)).toEqual([]);
});
