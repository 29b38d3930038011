import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test, type Page } from '@playwright/test';
import { LOCALES, open, show, THEMES, VIEWS, type View } from '../pages/support';

/** Where the pictures go; they are kept with the documentation. */
const OUT = fileURLToPath(new URL('../../../docs/screenshots/', import.meta.url));

/** Which of them are written, by how their names begin; all unless it is said. */
const ONLY = process.env.BERTH_PICTURES?.split(',');

/** The time in every picture, and a little later. */
const NOW = new Date('2026-01-15T12:00:00Z');

/** How long the views with figures are open before they are drawn, so that there are some. */
const OPEN: Record<string, number> = { containers: 8_000, project: 8_000, 'container-stats': 60_000, palette: 8_000 };

/** Views that are drawn a second time from their top to their end: the window shows only their beginning. */
const WHOLE = ['container-details', 'container-stats', 'settings', 'troubleshooting'];

/** What of a view is brought about before it is drawn. */
const ACTS: Record<string, (page: Page) => Promise<void>> = {
  'container-terminal': async (page) => {
    const screen = page.locator('.xterm-rows');
    await expect(screen).toContainText('$');
    await page.getByRole('textbox', { name: /Terminal|终端/ }).focus();
    for (const command of ['ls /', 'echo $TERM']) {
      await page.keyboard.type(`${command}\n`);
      await expect(screen).toContainText(command);
    }
    await expect(screen).toContainText('xterm');
    // A cursor that blinks is in one picture and not in the next.
    await page.locator('main h1').click();
  },
};

/** What the views of one thing show. */
const SHOWN = { container: 'shop-web-1', volume: 'shop_db-data', project: 'shop' };

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
    name: 'image-run',
    at: '#/images',
    drawn: 'main [data-at]',
    open: async (page) => {
      const row = page.locator('main [data-at]').filter({ hasText: 'postgres' }).first();
      await row.hover();
      await row.locator('button:has(svg)').first().click();
      await expect(page.getByRole('dialog').locator('fieldset input').first()).not.toHaveValue('');
    },
  },
  {
    name: 'image-prune',
    at: '#/images',
    drawn: 'main [data-at]',
    open: async (page) => {
      await page.locator('main header button').first().click();
      await page.getByRole('dialog').getByRole('radio').last().check();
      await expect(page.getByRole('dialog').getByRole('listitem')).not.toHaveCount(0);
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
  {
    name: 'image-pull',
    scene: 'empty',
    at: '#/images',
    drawn: 'dialog [role=progressbar]',
    act: async (page) => {
      await page.locator('main header button.primary').click();
      await page.getByRole('dialog').locator('input').first().fill('postgres:16');
      await page.getByRole('dialog').locator('footer button.primary').click();
      await expect(page.getByRole('dialog').getByRole('listitem').first()).toBeVisible();
      await page.clock.runFor(1_500);
    },
  },
  { name: 'machine-starting', scene: 'starting', at: '#/machine', drawn: 'main ol li.active' },
  {
    name: 'machine-paused',
    scene: 'empty',
    at: '#/machine',
    drawn: 'main header .badge',
    act: (page) =>
      page.evaluate(() => {
        const { daemon } = window as unknown as {
          daemon: { machine: { report: { patch(more: { paused: boolean }): void; tell(): void } } };
        };
        daemon.machine.report.patch({ paused: true });
        daemon.machine.report.tell();
      }),
  },
  { name: 'machine-stopped', scene: 'stopped', at: '#/images', drawn: 'main button.primary' },
  {
    name: 'machine-failed',
    scene: 'fails-boot',
    at: '#/machine',
    drawn: 'main .notice.bad',
    act: (page) => page.locator('main button.primary').click(),
  },
];

const SIZE = { width: 1280, height: 800 };

/** So high that nothing of the page is out of sight. */
const wholeHeight = (page: Page) =>
  page.evaluate(() => {
    const hidden = [document.scrollingElement!, ...document.querySelectorAll('main, main *')]
      .filter((one) => /auto|scroll/.test(getComputedStyle(one).overflowY) || one === document.scrollingElement)
      .map((one) => one.scrollHeight - one.clientHeight);
    return innerHeight + Math.max(0, ...hidden);
  });

mkdirSync(OUT, { recursive: true });

for (const theme of THEMES)
  for (const locale of LOCALES)
    test(`every view, ${theme}, ${locale}`, async ({ page }) => {
      test.setTimeout(300_000);
      await page.clock.install({ time: NOW });
      await open(page, { theme, locale });
      await expect(page.locator('main [data-at]').first()).toBeVisible();
      const take = async (name: string) => {
        if (ONLY !== undefined && !ONLY.some((begin) => name.startsWith(begin))) return;
        await page.evaluate(() => document.fonts.ready);
        // A log goes to its end once it has been laid out.
        const log = page.locator('[role=log] [data-id]');
        if (name === 'container-logs') await expect(log.last()).toBeInViewport();
        const path = `${OUT}${name}-${theme}-${locale}.png`;
        await page.screenshot({ path, animations: 'disabled', caret: 'hide' });
      };
      for (const view of VIEWS) {
        await show(page, view, SHOWN);
        await ACTS[view.name]?.(page);
        if (OPEN[view.name] !== undefined) await page.clock.runFor(OPEN[view.name]!);
        await take(view.name);
        if (!WHOLE.includes(view.name)) continue;
        await page.setViewportSize({ ...SIZE, height: await wholeHeight(page) });
        await take(`${view.name}-whole`);
        await page.setViewportSize(SIZE);
      }
      for (const view of OPENED) {
        await show(page, view, SHOWN);
        if (OPEN[view.name] !== undefined) await page.clock.runFor(OPEN[view.name]!);
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
