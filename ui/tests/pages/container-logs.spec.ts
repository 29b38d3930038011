import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';

type Engine = {
  fail(fault: {
    path: RegExp;
    status?: number | 'unreachable';
    message?: string;
    times?: number;
    after?: number;
  }): () => void;
  request(request: { method: string; path: string }): Promise<unknown>;
};
declare const engine: Engine;

const log = (page: Page) => page.getByRole('log');
const lines = (page: Page) => log(page).locator('[data-id]');
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const following = (page: Page) => button(page, 'Follow the end');

async function open(page: Page, name: string, scene = 'busy'): Promise<void> {
  await page.goto(`/?scene=${scene}#/containers/${name}/logs`);
  await expect(lines(page).first()).toBeVisible();
}

/** The number of the newest line drawn. */
const newest = (page: Page) => lines(page).last().getAttribute('data-id').then(Number);

/** The first line drawn and the height of all that there are, at one moment. */
const look = (page: Page) =>
  log(page).evaluate((element) => ({
    first: element.querySelector('[data-id]')?.getAttribute('data-id'),
    height: element.scrollHeight,
  }));

/** Waits for the end of what a turn of the wheel began: it is scrolled up, and frame after frame shows the same. */
const still = (page: Page) =>
  log(page).evaluate(
    (element) =>
      new Promise<void>((resolve) => {
        const FRAMES = 20;
        let same = 0;
        let last = '';
        const frame = () => {
          const now = `${element.scrollTop} ${element.querySelector('[data-id]')?.getAttribute('data-id')}`;
          const scrolled = element.scrollTop + element.clientHeight < element.scrollHeight - element.clientHeight / 2;
          same = scrolled && now === last ? same + 1 : 0;
          last = now;
          if (same < FRAMES) requestAnimationFrame(frame);
          else resolve();
        };
        requestAnimationFrame(frame);
      }),
  );

test('shows colours, marks what came as errors, and tells times when asked', async ({ page }) => {
  await open(page, 'shop-web-1');
  const info = log(page).getByText('INFO', { exact: true }).first();
  await expect(info).toHaveCSS('color', 'rgb(10, 101, 119)');
  await expect(log(page).locator('.err').first()).toContainText('stderr');
  await expect(log(page).locator('time')).toHaveCount(0);
  await button(page, 'Show times').click();
  await expect(log(page).locator('time').first()).toHaveText(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
});

test('follows the end, stops when scrolled up, and goes on at the end', async ({ page }) => {
  // Of a container whose log stays far from the most that is kept: no line that is looked at is let go meanwhile.
  await open(page, 'shop-web-1');
  await expect(following(page)).toHaveAttribute('aria-pressed', 'true');
  const before = await newest(page);
  await expect.poll(() => newest(page)).toBeGreaterThan(before);

  await log(page).hover();
  await page.mouse.wheel(0, -2000);
  await expect(following(page)).toHaveAttribute('aria-pressed', 'false');
  await still(page);
  // What is read does not move, though lines come.
  const shown = await look(page);
  await expect.poll(() => look(page).then(({ height }) => height)).toBeGreaterThan(shown.height);
  expect((await look(page)).first).toBe(shown.first);

  await button(page, 'Go to the end').click();
  await expect(following(page)).toHaveAttribute('aria-pressed', 'true');
  const after = await newest(page);
  await expect.poll(() => newest(page)).toBeGreaterThan(after);
});

test('draws only what is in sight of ten thousand lines a second', async ({ page }) => {
  await open(page, 'flood', 'chatty');
  const first = await newest(page);
  await expect.poll(() => newest(page)).toBeGreaterThan(first + 10_000);
  expect(await lines(page).count()).toBeLessThan(100);
});

test('holds a hundred thousand lines, and searches them', async ({ page }) => {
  await open(page, 'long-story', 'chatty');
  await expect.poll(() => newest(page)).toBeGreaterThan(99_000);
  await log(page).focus();
  await page.keyboard.press('Home');
  // Its first lines may have gone already: the log goes on.
  await expect.poll(() => lines(page).first().getAttribute('data-id').then(Number)).toBeLessThan(1000);
  // Keys scroll smoothly, and what still moves upwards would take it off the end again.
  await expect.poll(() => log(page).evaluate((element) => element.scrollTop)).toBe(0);
  // From behind from here on: the first lines make way for new ones.
  await page.keyboard.press('End');
  await expect(following(page)).toHaveAttribute('aria-pressed', 'true');

  const search = page.getByRole('searchbox', { name: 'Search the log' });
  await search.fill('payment');
  const status = page.getByRole('status').filter({ hasText: /lines?$/ });
  await expect(status).toHaveText(/^[\d,]+ lines?$/);
  await search.press('Shift+Enter');
  await expect(status).toHaveText(/^[\d,]{4,} of [\d,]+ lines?$/);
  await expect(log(page).locator('.current mark').first()).toHaveText(/payment/i);
});

test('is at its end for who wants no motion, too', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await open(page, 'shop-web-1');
  await expect(lines(page).last()).toBeInViewport();
});

test('searches by expression, and says what is wrong with one', async ({ page }) => {
  await open(page, 'shop-web-1');
  await page.keyboard.press('Control+f');
  const search = page.getByRole('searchbox', { name: 'Search the log' });
  await log(page).focus();
  await page.keyboard.press('Control+f');
  await expect(search).toBeFocused();
  await button(page, 'Regular expression (looks at the first 100,000 characters of a line)').click();
  await search.fill('GET /(cart|login)');
  await expect(log(page).locator('mark').first()).toHaveText(/GET \/(cart|login)/);
  await search.fill('(');
  await expect(page.getByText(/Invalid regular expression/)).toBeVisible();
});

test('cuts a line of ten megabytes, and shows and copies it whole', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, 'ten-megabytes', 'hostile');
  await expect(log(page).getByText('after the long line')).toBeVisible();
  await button(page, 'Wrap long lines').click();
  await page.getByRole('button', { name: /A line of 10\.\d MB/ }).click();
  const dialog = page.getByRole('dialog', { name: /A line of 10\.\d MB/ });
  await expect(dialog.getByRole('document')).toContainText('0123456789abcdef');
  await dialog.getByRole('button', { name: 'Copy the line' }).click();
  await expect
    .poll(() => page.evaluate(async () => (await navigator.clipboard.readText()).length))
    .toBeGreaterThan(10_000_000);
});

test('takes nothing in a log for markup or for orders', async ({ page }) => {
  await open(page, 'escapes', 'hostile');
  await expect(log(page)).toContainText('<img src=x onerror=');
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
  await expect(log(page).locator('img, script, a')).toHaveCount(0);
  await expect(page).toHaveTitle(/escapes/);
});

test('goes on after the engine was away, and after a new start of the container', async ({ page }) => {
  await open(page, 'shop-web-1');
  await page.evaluate(() => void (globalThis as never as { back: () => void }).back);
  await page.evaluate(() => {
    const back = engine.fail({ path: /\/logs/, status: 'unreachable', message: 'away' });
    Object.assign(globalThis, { back });
    return engine.request({ method: 'POST', path: '/containers/shop-web-1/restart' });
  });
  await expect(page.getByText('The engine does not answer: the log goes on when it does.')).toBeVisible();
  await page.evaluate(() => (globalThis as never as { back: () => void }).back());
  await expect(page.getByText('The engine does not answer: the log goes on when it does.')).toBeHidden();
  const before = await newest(page);
  await expect.poll(() => newest(page)).toBeGreaterThan(before);

  await button(page, 'Stop').click();
  await expect(page.getByText('The container does not run: the log goes on when it starts.')).toBeVisible();
  await button(page, 'Start').click();
  await expect(page.getByText('The container does not run: the log goes on when it starts.')).toBeHidden();
  const stopped = await newest(page);
  await expect.poll(() => newest(page)).toBeGreaterThan(stopped);
});

test('downloads the whole log, copies and clears what is shown', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, 'shop-migrate-1');
  const shown = (await lines(page).first().locator('.words').textContent())!;
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Download the whole log').click()]);
  expect(download.suggestedFilename()).toBe('shop-migrate-1.log');
  expect(await readFile((await download.path())!, 'utf8')).toContain(shown.trim());
  await button(page, 'Copy all lines shown').click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain(shown.trim());
  await button(page, 'Clear what is shown').click();
  await expect(lines(page)).toHaveCount(0);
});
