import { expect, test, type Page } from '@playwright/test';
import { complaints, LOCALES, open, reload, show, VIEWS } from './support';

const heading = (page: Page) => page.getByRole('heading', { level: 1 });

test('lists are gone to by keys, and one of a list opened, looked at and left', async ({ page }) => {
  await open(page);
  for (const [keys, title] of [
    ['gi', 'Images'],
    ['gv', 'Volumes'],
    ['gn', 'Networks'],
    ['gc', 'Containers'],
  ] as const) {
    for (const key of keys) await page.keyboard.press(key);
    await expect(heading(page)).toHaveText(title);
  }
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  await page.keyboard.press('/');
  await expect(page.locator('main [data-search]')).toBeFocused();
  await page.keyboard.type('shop-cache');
  await expect(page.locator('main a').filter({ hasText: /^shop-cache-1$/ })).toBeVisible();
  const focusedRow = () => page.evaluate(() => document.activeElement?.closest('[data-at]')?.textContent ?? '');
  // By Tab alone to the rows, and by the arrows to the one that is wanted.
  for (let at = 0; at < 30 && (await focusedRow()) === ''; at += 1) await page.keyboard.press('Tab');
  for (let at = 0; at < 5 && !(await focusedRow()).includes('shop-cache-1'); at += 1)
    await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(heading(page)).toHaveText('shop-cache-1');
  await page.goBack();
  await expect(heading(page)).toHaveText('Containers');
});

test('everything that can be pressed can be reached by Tab and has a name', async ({ page }) => {
  // Every view, on a computer that may be busy.
  test.setTimeout(180_000);
  await open(page);
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  for (const view of VIEWS) {
    await show(page, view);
    const faults = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('button, a[href], input, select, textarea')]
        .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !(one as HTMLButtonElement).disabled)
        .flatMap((one) => {
          const labelled = one.getAttribute('aria-labelledby');
          const name = [
            one.getAttribute('aria-label'),
            labelled && document.getElementById(labelled)?.textContent,
            one.textContent,
            ...[...((one as HTMLInputElement).labels ?? [])].map((label) => label.textContent),
            one.title,
          ].find((text) => text?.trim());
          return name ? [] : [one.outerHTML.slice(0, 160)];
        }),
    );
    expect(faults, view.name).toEqual([]);
  }
});

test('the palette finds things and commands', async ({ page }) => {
  await open(page, { at: '#/volumes' });
  await page.keyboard.press('Control+k');
  await page.keyboard.type('shop_backend');
  await expect(page.locator('[role=listbox] [role=option]').first()).toContainText('shop_backend');
  await page.keyboard.press('Enter');
  await expect(heading(page)).toHaveText('shop_backend');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('nothing is called so');
  await expect(page.locator('[role=option]')).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(page.locator('[role=listbox]')).toHaveCount(0);
});

test('the language changes while the page stands', async ({ page }) => {
  const said = complaints(page);
  await open(page, { at: '#/networks' });
  await expect(heading(page)).toHaveText('Networks');
  await page.getByRole('searchbox', { name: 'Search networks' }).fill('shop');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('简体中文');
  await expect(page.locator('[role=listbox] [role=option]').first()).toContainText('简体中文');
  await page.keyboard.press('Enter');
  await expect(heading(page)).toHaveText('网络');
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
  // What was typed and where one was stay.
  await expect(page.locator('main [data-search]')).toHaveValue('shop');
  await reload(page);
  await expect(heading(page)).toHaveText('网络');
  expect(said).toEqual([]);
});

test('the theme changes, and stays over a reload', async ({ page }) => {
  await open(page, { at: '#/networks' });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole('button', { name: 'Switch to the dark theme' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect.poll(ground).not.toBe(light);
  await reload(page);
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(page.getByRole('button', { name: 'Switch to the light theme' })).toBeVisible();
});

test('a reload keeps the place, on every view', async ({ page }) => {
  test.setTimeout(180_000);
  await open(page);
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  for (const view of VIEWS) {
    await show(page, view);
    const before = await heading(page).textContent();
    const place = await page.evaluate(() => location.hash);
    await reload(page);
    await expect(page.locator(view.drawn).first()).toBeVisible();
    expect(await page.evaluate(() => location.hash), view.name).toBe(place);
    await expect(heading(page)).toHaveText(before!);
  }
});

for (const locale of LOCALES)
  test(`no view complains in the console, ${locale}`, async ({ page }) => {
    const said = complaints(page);
    await open(page, { locale });
    await expect(page.locator('main [data-at]').first()).toBeVisible();
    for (const view of VIEWS) await show(page, view);
    expect(said).toEqual([]);
  });

test('Chinese pages have no English words but names', async ({ page }) => {
  await open(page, { locale: 'zh-CN' });
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  for (const view of VIEWS) {
    await show(page, view);
    const title = await page.title();
    expect(title, view.name).toMatch(/ · Berth$/);
    await expect(page.getByRole('navigation').first()).toContainText('容器');
    const buttons = await page.locator('main button').evaluateAll((all) =>
      all
        .filter((one) => one.checkVisibility() && one.closest('[role=tree], [role=grid], [role=treegrid]') === null)
        .map((one) => {
          // What stands in a file is as it is there.
          const own = one.cloneNode(true) as Element;
          for (const code of own.querySelectorAll('code')) code.remove();
          return one.getAttribute('aria-label') ?? own.textContent;
        })
        .filter((text) => /\b(the|of|all|open|remove|create|copy)\b/i.test(text)),
    );
    expect(buttons, view.name).toEqual([]);
  }
});
