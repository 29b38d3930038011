import { expect, test, type Page } from '@playwright/test';
import { complaints, fill, open, type Engine } from './support';

declare const engine: Engine;

const main = (page: Page) => page.getByRole('main');
/** The row of a build by its name and what else stands in it. */
const row = (page: Page, text: RegExp) => page.locator('main [data-at]').filter({ hasText: text });
const status = (page: Page) => main(page).locator('header .status');

async function openBuild(page: Page, kind: 'build' | 'failed', status?: string, rest = ''): Promise<void> {
  await open(page, { at: '#/builds' });
  const at = await fill(page, `#/builds/{${kind}}`, status ? { build: status } : {});
  await page.evaluate((to) => (location.hash = to), `${at}${rest}`);
  await expect(page.getByRole('heading', { level: 1 })).not.toHaveText('Builds');
}

test('the history lists each build with how it ended', async ({ page }) => {
  await open(page, { at: '#/builds' });
  await expect(page.getByText('6 builds, 1 running')).toBeVisible();
  await expect(row(page, /Running/)).toContainText(/\d+ of 13 · 2 cached/);
  await expect(row(page, /Failed/)).toContainText('7.9s');
  await expect(row(page, /2 hours ago/)).toContainText('14 of 14 · 4 cached');
  await expect(row(page, /2 hours ago/).getByRole('link', { name: 'shop/web:dev' })).toBeVisible();
  // Its image was removed since.
  await expect(row(page, /site/)).toContainText('The engine does not have this image any more');
  await expect(row(page, /site/).locator('a')).toHaveCount(1);
});

test('a build that somebody begins appears by itself, and its end does, too', async ({ page }) => {
  await open(page, { at: '#/builds' });
  await expect(page.locator('main [data-at]')).toHaveCount(6);
  await page.evaluate(() => {
    const { world } = engine as unknown as { world: { history: { add(wish: object): void } } };
    world.history.add({ name: 'begun-elsewhere', ago: 0, steps: [{ name: 'RUN make', from: 0, takes: 12_000 }] });
  });
  await expect(row(page, /begun-elsewhere/)).toContainText('Running');
  await expect(row(page, /begun-elsewhere/)).toContainText('0 of 1');
  await expect(row(page, /begun-elsewhere/)).toContainText('Completed', { timeout: 30_000 });
  await expect(row(page, /begun-elsewhere/)).toContainText('1 of 1');
});

test('builds are searched and sorted, and all are shown again', async ({ page }) => {
  await open(page, { at: '#/builds' });
  await expect(page.locator('main [data-at]')).toHaveCount(6);
  await page.keyboard.press('/');
  await page.keyboard.type('worker slim');
  await expect(page.locator('main [data-at]')).toHaveCount(1);
  await page.getByRole('searchbox').fill('');
  await page.getByLabel('Show builds that are').selectOption({ label: 'Canceled' });
  await expect(page.locator('main [data-at]')).toHaveCount(1);
  await page.getByRole('searchbox').fill('nothing of the kind');
  await expect(page.getByText('No build fits')).toBeVisible();
  await page.getByRole('button', { name: 'Show all' }).click();
  await expect(page.locator('main [data-at]')).toHaveCount(6);
  await page.getByRole('columnheader', { name: 'Took' }).getByRole('button').click();
  await expect(page.locator('main [data-at="0"]')).toContainText('site');
});

test('builds are removed together: what runs stays, and their images do, too', async ({ page }) => {
  await open(page, { at: '#/builds' });
  await page.getByRole('checkbox', { name: 'Select all' }).click();
  await expect(page.getByText('6 chosen')).toBeVisible();
  await page
    .getByRole('toolbar', { name: 'Actions on what is chosen' })
    .getByRole('button', { name: 'Remove' })
    .click();
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('Remove 5 builds from the history?');
  await expect(question.getByRole('listitem')).toHaveCount(5);
  await question.getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('5 builds are removed')).toBeVisible();
  await expect(page.locator('main [data-at]')).toHaveCount(1);
  await expect(
    page.getByRole('toolbar', { name: 'Actions on what is chosen' }).getByRole('button', { name: 'Remove' }),
  ).toBeDisabled();
  await page.evaluate(() => (location.hash = '#/images'));
  await expect(page.locator('main [data-at]').filter({ hasText: 'shop/web' }).first()).toBeVisible();
});

test('a build that is chosen and out of sight is counted and removed only when it is shown again', async ({ page }) => {
  await open(page, { at: '#/builds' });
  await page.getByRole('checkbox', { name: 'Select all' }).click();
  await expect(page.getByRole('status').filter({ hasText: '6 chosen' })).toBeVisible();
  await page.getByRole('searchbox').fill('tools');
  await expect(page.locator('main [data-at]')).toHaveCount(1);
  await expect(page.getByRole('status').filter({ hasText: '1 chosen' })).toBeVisible();
  await page
    .getByRole('toolbar', { name: 'Actions on what is chosen' })
    .getByRole('button', { name: 'Remove' })
    .click();
  const question = page.getByRole('alertdialog');
  await expect(question.getByRole('listitem')).toHaveCount(1);
  await question.getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('No build fits')).toBeVisible();
  await expect(page.getByRole('toolbar', { name: 'Actions on what is chosen' })).toHaveCount(0);
  await page.getByRole('searchbox').fill('');
  await expect(page.getByRole('status').filter({ hasText: '5 chosen' })).toBeVisible();
});

test('a build that cannot be removed stays, and its page says why', async ({ page }) => {
  await open(page, { at: '#/builds' });
  await page.evaluate(() =>
    engine.fail({ path: /berth\/builds/, method: 'DELETE', status: 500, message: 'the disk cannot be written' }),
  );
  const one = row(page, /tools/);
  await one.hover();
  await one.getByRole('button', { name: 'Remove tools from the history' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('tools is still in the history')).toBeVisible();
  await expect(page.getByText('the disk cannot be written')).toBeVisible();
  await expect(one).toBeVisible();
});

test('by keys alone: to a build, through its steps, to its log and back', async ({ page }) => {
  await open(page);
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('b');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Builds');
  await expect(page.locator('main [data-at]').first()).toBeVisible();
  const focused = () => page.evaluate(() => document.activeElement?.closest('[data-at]')?.textContent ?? '');
  for (let at = 0; at < 30 && (await focused()) === ''; at += 1) await page.keyboard.press('Tab');
  for (let at = 0; at < 6 && !(await focused()).includes('Failed'); at += 1) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(status(page)).toHaveText('Failed');
  await expect(page.getByText('expected "12a" to be "12 a"')).toBeVisible();
  const show = page.getByRole('button', { name: 'Show the step' });
  for (let at = 0; at < 20 && !(await show.evaluate((one) => one === document.activeElement)); at += 1)
    await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const step = page.getByRole('button', { name: /RUN npm test/ });
  await expect(step).toBeFocused();
  await page.keyboard.press('Space');
  await expect(page.getByText('expected "12a" to be "12 a"')).toHaveCount(0);
  await page.keyboard.press('Shift+Tab');
  await expect(page.getByRole('button', { name: /COPY \. \./ })).toBeFocused();
  const log = page.getByRole('navigation', { name: 'Parts of the build' }).getByRole('link', { name: 'Log' });
  for (let at = 0; at < 20 && !(await log.evaluate((one) => one === document.activeElement)); at += 1)
    await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('log')).toContainText('#9 ERROR: process');
  await page.keyboard.press('/');
  await page.keyboard.type('street');
  await expect(page.locator('main mark')).toHaveText('street');
  await page.goBack();
  await page.goBack();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Builds');
});

test('the steps of a build stand on one axis: cached ones say so, others how long they took', async ({ page }) => {
  await openBuild(page, 'build');
  const steps = page.getByRole('region', { name: 'Steps' }).getByRole('listitem');
  await expect(steps).toHaveCount(14);
  await expect(steps.filter({ hasText: 'WORKDIR /app' })).toContainText('cached');
  const [make, lint] = [steps.filter({ hasText: 'npm run build' }), steps.filter({ hasText: 'npm run lint' })];
  await expect(make).toContainText('31s');
  const at = async (one: typeof make) => (await one.locator('.bar').boundingBox())!;
  const [long, short] = [await at(make), await at(lint)];
  // At the same time, and the longer one is longer by as much.
  expect(Math.abs(long.x - short.x)).toBeLessThan(2);
  expect(long.width / short.width).toBeCloseTo(31.7 / 18.6, 1);
  await page.getByRole('link', { name: 'shop/web:dev' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('shop/web:dev');
});

test('a build that runs grows: its steps, and what one of them writes', async ({ page }) => {
  await openBuild(page, 'build', 'running');
  await expect(status(page)).toHaveText('Running');
  await expect(page.getByRole('button', { name: 'Remove' })).toBeDisabled();
  await page.getByRole('button', { name: /running.*npm run build/ }).click();
  const output = page.getByRole('log', { name: /Output of .*npm run build/ });
  const last = async () => Number(/module (\d+) of 240\s*$/.exec((await output.textContent()) ?? '')?.[1] ?? 0);
  await expect.poll(last).toBeGreaterThan(0);
  const before = await last();
  await expect.poll(last).toBeGreaterThan(before + 1);
  // It is at its end without anybody scrolling.
  await expect
    .poll(() => output.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight))
    .toBeLessThan(8);
  await expect(page.getByRole('button', { name: /done.*npm run lint/ })).toBeVisible({ timeout: 30_000 });
});

test('a log that breaks off is read again, and has no line twice', async ({ page }) => {
  await open(page, { at: '#/builds' });
  await page.evaluate(() => engine.fail({ path: /\/logs\?follow/, after: 300, times: 1 }));
  const at = await fill(page, '#/builds/{build}/log');
  await page.evaluate((to) => (location.hash = to), at);
  await expect(page.getByRole('log')).toContainText('#14 DONE 1.1s');
  await expect(page.getByText('The build has ended')).toBeVisible();
  await page.locator('[role=log]').focus();
  await page.keyboard.press('Home');
  await expect(page.getByText('#1 [internal] load build definition from Dockerfile', { exact: true })).toHaveCount(1);
});

test('a build is removed from its page, and one that is gone says so', async ({ page }) => {
  await openBuild(page, 'failed');
  const address = await page.evaluate(() => location.hash);
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Builds');
  await expect(row(page, /Failed/)).toHaveCount(0);
  await page.evaluate((to) => (location.hash = to), address);
  await expect(page.getByText('This build is not in the history')).toBeVisible();
  await expect(page.getByText(/no build record found for ref/)).toBeVisible();
});

test('an engine without a history: the page says what is missing, and has the cache all the same', async ({ page }) => {
  await open(page, { at: '#/images' });
  await page.evaluate(() => {
    engine.fail({ path: /^\/berth\//, status: 404, message: 'page not found' });
    location.hash = '#/builds';
  });
  await expect(page.getByText('This engine keeps no history of builds')).toBeVisible();
  await page.getByRole('link', { name: 'Show the cache' }).click();
  await expect(page.getByRole('row', { name: /npm-7c21f0/ })).toBeVisible();
});

test('nothing built yet, and an engine that cannot tell', async ({ page }) => {
  await open(page, { scene: 'empty', at: '#/builds' });
  await expect(page.getByText('Nothing has been built yet')).toBeVisible();
  await page.evaluate(() => engine.fail({ path: /^\/berth/, status: 500, message: 'the disk cannot be read' }));
  await expect(page.getByText('the disk cannot be read')).toBeVisible();
});

test('names and words of others are text', async ({ page }) => {
  const said = complaints(page);
  await open(page, { scene: 'hostile', at: '#/builds' });
  await page.locator('main [data-at] a').first().click();
  await expect(page.getByText('The build failed')).toBeVisible();
  await expect(page.getByRole('log')).toContainText('a link');
  await expect(main(page).locator('img, script, a[href^="javascript"]')).toHaveCount(0);
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  expect(said).toEqual([]);
});

test('a clean-up of the cache says what it frees, leaves what is in use, and frees that', async ({ page }) => {
  await open(page, { at: '#/builds?show=cache' });
  const mount = page.getByRole('row', { name: /npm-7c21f0/ });
  await expect(mount).toContainText('Cache of a RUN');
  await expect(mount).toContainText('412 MB');
  await expect(mount).toContainText('in use');
  await page.getByRole('button', { name: 'Clean up', exact: true }).click();
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('Remove 3 entries of the cache?');
  await expect(question).toContainText('That frees 307 MB.');
  await question.getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('3 entries are removed: 307 MB are free')).toBeVisible();
  await expect(mount).toBeVisible();
  await expect(page.getByText('1 entry in the cache, 412 MB')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Clean up', exact: true })).toBeDisabled();
});

test('one entry of the cache is removed by itself, and what came meanwhile stays', async ({ page }) => {
  await open(page, { at: '#/builds?show=cache' });
  const one = page.getByRole('row', { name: /context-4f1c0d/ });
  await one.hover();
  await one.getByRole('button', { name: 'Remove context-4f1c0d' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('1 entry is removed: 18.4 MB are free')).toBeVisible();
  await expect(one).toHaveCount(0);
  await expect(page.getByRole('row', { name: /context-a90b12/ })).toBeVisible();
});

test('nothing in the cache, and an engine that does not tell of it', async ({ page }) => {
  await open(page, { scene: 'empty', at: '#/builds?show=cache' });
  await expect(page.getByText('Builds keep nothing beside images')).toBeVisible();
  await page.evaluate(() =>
    engine.fail({ path: /system\/df/, status: 500, message: 'the disk cannot be read', times: 1 }),
  );
  await page.getByRole('button', { name: 'Ask again' }).click();
  await expect(page.getByText('the disk cannot be read')).toBeVisible();
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByText('the disk cannot be read')).toHaveCount(0);
});
