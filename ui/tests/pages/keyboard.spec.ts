import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, test, type Locator, type Page } from '@playwright/test';
import { fill, open, THEMES, VIEWS } from './support';

/** Presses Tab until `wanted` has the focus, as somebody does who has no pointer. */
async function tabTo(page: Page, wanted: Locator, key = 'Tab'): Promise<void> {
  await expect(wanted).toBeVisible();
  const is = () => wanted.evaluate((one) => one === document.activeElement || one.contains(document.activeElement));
  for (let at = 0; at < 80; at += 1) {
    if (await is()) return;
    await page.keyboard.press(key);
  }
  const at = await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200));
  throw new Error(`Tab does not lead to it; the focus is on ${at}`);
}

/** What has the focus can be seen to have it. */
async function focusShows(page: Page): Promise<void> {
  const shows = await page.evaluate(() => {
    const marked = (one: Element | null): boolean => {
      if (one === null) return false;
      const { outlineStyle, boxShadow } = getComputedStyle(one);
      return outlineStyle !== 'none' || boxShadow !== 'none';
    };
    // A box around the field has the mark of some.
    let one = document.activeElement;
    for (let up = 0; up < 3 && one !== null; up += 1, one = one.parentElement) if (marked(one)) return '';
    return document.activeElement?.outerHTML.slice(0, 200) ?? 'nothing has it';
  });
  expect(shows).toBe('');
}

test('an image is run by keys alone', async ({ page }) => {
  await open(page, { at: '#/images' });
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('Run an image');
  await expect(page.locator('[role=listbox] [role=option]').first()).toContainText('Run an image');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Run an image' });
  await expect(dialog).toBeVisible();
  await tabTo(page, dialog.getByLabel('Image', { exact: true }));
  await page.keyboard.type('nginx:1.27');
  await tabTo(page, dialog.getByLabel('Name of the container'));
  await page.keyboard.type('by-keys');
  await tabTo(page, dialog.getByRole('button', { name: 'Add a port' }));
  await focusShows(page);
  const ports = dialog.getByLabel('Port in the container');
  const before = await ports.count();
  await page.keyboard.press('Enter');
  await expect(ports).toHaveCount(before + 1);
  await tabTo(page, ports.last(), before === 0 ? 'Tab' : 'Shift+Tab');
  await page.keyboard.type('8081');
  // Nothing behind the dialog gets the focus.
  for (let at = 0; at < 60; at += 1) {
    await page.keyboard.press('Tab');
    expect(
      await page.evaluate(
        () => document.activeElement === document.body || !!document.activeElement?.closest('dialog'),
      ),
    ).toBe(true);
  }
  await tabTo(page, dialog.getByRole('button', { name: 'Run', exact: true }));
  await focusShows(page);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1 })).toContainText('by-keys');
});

test('a question gives the focus back to what asked it', async ({ page }) => {
  await open(page, { at: '#/volumes' });
  const ask = page.getByRole('button', { name: 'Clean up' });
  await tabTo(page, ask);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(ask).toBeFocused();
});

test('all parts of a container’s page are gone through by keys alone', async ({ page }) => {
  await open(page);
  const at = await fill(page, '#/containers/{container}/logs');
  await page.evaluate((to) => (location.hash = to), at);
  const parts = page.locator('main nav').first().locator('a[href*="/containers/"]');
  await expect(page.locator('main nav a[aria-current=page]').first()).toBeVisible();
  // All but the terminal, in which Tab is for what runs in it.
  const all = await parts.evaluateAll((all) => all.map((one) => one.getAttribute('href')!));
  const names = all.filter((href) => !href.endsWith('/terminal'));
  expect(names.length).toBeGreaterThanOrEqual(5);
  for (const href of names) {
    await page.locator('main nav a[aria-current=page]').first().focus();
    await tabTo(page, page.locator(`main nav a[href="${href}"]`), 'Shift+Tab').catch(() =>
      tabTo(page, page.locator(`main nav a[href="${href}"]`)),
    );
    await focusShows(page);
    await page.keyboard.press('Enter');
    await expect(page.locator(`main nav a[href="${href}"][aria-current=page]`)).toBeVisible();
  }
  // Stop, by its button.
  await tabTo(page, page.getByRole('button', { name: 'Stop', exact: true }).first(), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Start', exact: true }).first()).toBeVisible();
});

test('a setting is changed by keys alone, and every one can be reached', async ({ page }) => {
  await open(page, { at: '#/settings' });
  await expect(page.locator('#machine-settings')).toBeVisible();
  await expect(page.locator('main .spinner')).toHaveCount(0);
  const selector = 'main button:not([disabled]), main a[href], main input:not([disabled]), main select, main textarea';
  const wanted = await page.locator(selector).evaluateAll(
    (all) =>
      // Of the radio buttons of a group, Tab goes to the chosen one; the arrows go to the others.
      all.filter(
        (one) =>
          one.checkVisibility() && !((one as HTMLInputElement).type === 'radio' && !(one as HTMLInputElement).checked),
      ).length,
  );
  const seen = new Set<string>();
  await page.locator('main').evaluate((main) => {
    main.querySelectorAll('*').forEach((one, at) => one.setAttribute('data-nth', String(at)));
  });
  await page.locator('#main').focus();
  for (let at = 0; at < wanted + 20; at += 1) {
    await page.keyboard.press('Tab');
    const nth = await page.evaluate(
      () => document.activeElement?.closest('main') && document.activeElement.getAttribute('data-nth'),
    );
    if (nth) seen.add(nth);
  }
  expect(seen.size).toBeGreaterThanOrEqual(wanted);
  const box = page.getByRole('checkbox', { name: /^Stay in the tray/ });
  await page.locator('#main').focus();
  await tabTo(page, box);
  await focusShows(page);
  const was = await box.isChecked();
  await page.keyboard.press('Space');
  await expect(box).toBeChecked({ checked: !was });
});

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

for (const theme of THEMES)
  test(`the dialogs of images and volumes keep to the rules, ${theme}`, async ({ page }) => {
    const wrong: string[] = [];
    for (const [at, press, view] of [
      ['#/images', 'Run nginx:1.27', 'images'],
      ['#/images', 'Pull', 'images'],
      ['#/images', 'Clean up', 'images'],
      ['#/volumes', 'Clean up', 'volumes'],
      ['#/volumes', 'New volume', 'volumes'],
    ] as const) {
      await open(page, { theme, at });
      await expect(page.locator(VIEWS.find(({ name }) => name === view)!.drawn).first()).toBeVisible();
      await page.getByRole('button', { name: press, exact: true }).first().click();
      await expect(page.getByRole('dialog')).toBeVisible();
      await page.evaluate(AXE);
      const found = await page.evaluate(async () => {
        await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})));
        type Result = { id: string; nodes: { target: unknown[] }[] };
        const { axe } = window as unknown as {
          axe: { run(of: string, how: object): Promise<{ violations: Result[] }> };
        };
        const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
        const { violations } = await axe.run('dialog[open]', { runOnly: { type: 'tag', values: tags } });
        return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`));
      });
      wrong.push(...found.map((one) => `${press} at ${at}: ${one}`));
      await page.keyboard.press('Escape');
      await expect(page.getByRole('dialog')).toHaveCount(0);
    }
    expect(wrong).toEqual([]);
  });
