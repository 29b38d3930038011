import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test, type Page } from '@playwright/test';
import { LOCALES, open, show, THEMES, VIEWS, type View } from '../pages/support';

/** Where the pictures go; they are kept with the documentation. */
const OUT = fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url));

/** The time in every picture, and a little later. */
const NOW = new Date('2026-01-15T12:00:00Z');

/** How long the views with figures are open before they are drawn, so that there are some. */
const OPEN: Record<string, number> = { containers: 8_000, project: 8_000, 'container-stats': 60_000 };

/** What the views of one thing show. */
const SHOWN = { container: 'shop-web-1', volume: 'shop_db-data', project: 'shop' };

/** Views that are not drawn, and why. */
const SKIPPED: Record<string, string> = {
  'container-terminal': 'a terminal that waits for keys is a black field with a cursor that blinks',
};

/** What opens over a view is drawn too. */
const OPENED: (View & { open: (page: Page) => Promise<void> })[] = [
  {
    name: 'palette',
    at: '#/containers',
    drawn: 'main [data-at]',
    open: async (page) => {
      await page.keyboard.press('Control+k');
      await expect(page.getByRole('combobox', { expanded: true })).toBeVisible();
      await page.keyboard.type('shop');
      await expect(page.getByRole('listbox').getByRole('option').first()).toBeVisible();
    },
  },
  {
    name: 'network-create',
    at: '#/networks',
    drawn: 'main [data-at]',
    open: async (page) => {
      await page.locator('main button.primary').first().click();
      await expect(page.getByRole('dialog')).toBeVisible();
    },
  },
];

/** Views of a machine that does not run, each in a scene of its own. */
const SCENES: { name: string; scene: string; at: string; drawn: string; act?: (page: Page) => Promise<void> }[] = [
  { name: 'first-check', scene: 'first', at: '#/first', drawn: 'main section:has(#first-checks) ul li' },
  { name: 'machine-stopped', scene: 'stopped', at: '#/images', drawn: 'main button.primary' },
  {
    name: 'machine-failed',
    scene: 'fails-boot',
    at: '#/machine',
    drawn: 'main .notice.bad',
    act: (page) => page.locator('main button.primary').click(),
  },
];

mkdirSync(OUT, { recursive: true });

for (const theme of THEMES)
  for (const locale of LOCALES)
    test(`every view, ${theme}, ${locale}`, async ({ page }) => {
      test.setTimeout(300_000);
      await page.clock.install({ time: NOW });
      await open(page, { theme, locale });
      await expect(page.locator('main [data-at]').first()).toBeVisible();
      const take = async (name: string) => {
        await page.evaluate(() => document.fonts.ready);
        // A log goes to its end once it has been laid out.
        const log = page.locator('[role=log] [data-id]');
        if (name === 'container-logs') await expect(log.last()).toBeInViewport();
        const path = `${OUT}${name}-${theme}-${locale}.png`;
        await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
      };
      for (const view of VIEWS.filter(({ name }) => !(name in SKIPPED))) {
        await show(page, view, SHOWN);
        if (OPEN[view.name] !== undefined) await page.clock.runFor(OPEN[view.name]!);
        await take(view.name);
      }
      for (const view of OPENED) {
        await show(page, view, SHOWN);
        await view.open(page);
        await take(view.name);
        await page.keyboard.press('Escape');
      }
      for (const { name, scene, at, drawn, act } of SCENES) {
        await open(page, { theme, locale, scene, at });
        await act?.(page);
        await expect(page.locator(drawn).first()).toBeVisible();
        // Nothing is pointed at.
        await page.mouse.move(0, 0);
        await take(name);
      }
    });
