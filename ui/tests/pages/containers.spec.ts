import { expect, test, type Page } from '@playwright/test';

type Fault = { path: RegExp; method?: string; status?: number | 'unreachable'; message?: string; times?: number };
type Engine = { fail(fault: Fault): () => void; vanish(name: string): void };
declare const engine: Engine;

async function open(page: Page, scene = 'busy', query = ''): Promise<void> {
  await page.goto(`/?scene=${scene}#/containers${query}`);
  await expect(page.getByRole('treegrid')).toBeVisible();
}

const row = (page: Page, name: string) =>
  page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
const names = (page: Page) =>
  page.getByRole('gridcell').locator('a[href*="#/containers/"]:not([href$="/logs"])').allTextContents();
const dialog = (page: Page) => page.getByRole('alertdialog');
const toast = (page: Page, text: string | RegExp) =>
  page.getByRole('region', { name: 'Notifications' }).getByText(text);

test('stands by project, with states in words, ports as links and figures', async ({ page }) => {
  await open(page);
  await expect(page.getByRole('row', { name: /shop.*6 running/ })).toBeVisible();
  const web = row(page, 'shop-web-1');
  await expect(web).toContainText('Running, healthy');
  await expect(web.getByRole('link', { name: '3000:3000' })).toHaveAttribute('href', 'http://127.0.0.1:3000');
  await expect(row(page, 'shop-migrate-1')).toContainText('Exited with 1');
  await expect(row(page, 'shop-proxy-1').getByRole('link', { name: '8443:443' })).toHaveAttribute(
    'href',
    'https://127.0.0.1:8443',
  );
  await expect(web.getByRole('img', { name: /CPU use of shop-web-1: [\d.]+%/ })).toBeVisible();
  await expect(web.getByRole('img', { name: /Memory use of shop-web-1: [\d.]+ MiB/ })).toBeVisible();
});

test('starts and stops one, is busy meanwhile, and shows what came of it', async ({ page }) => {
  await open(page);
  const cache = row(page, 'shop-cache-1');
  await cache.hover();
  await cache.getByRole('button', { name: 'Stop shop-cache-1' }).click();
  await expect(cache).toContainText('Finished');
  await cache.hover();
  await cache.getByRole('button', { name: 'Start shop-cache-1' }).click();
  await expect(cache).toContainText('Running');
});

test('is worked by keys alone', async ({ page }) => {
  await open(page);
  const cache = row(page, 'shop-cache-1');
  await cache.focus();
  await page.keyboard.press('s');
  await expect(cache).toContainText('Finished');
  await page.keyboard.press('s');
  await expect(cache).toContainText('Running');
  await page.keyboard.press('Delete');
  await expect(dialog(page)).toContainText('shop-cache-1 runs: it is killed');
  await page.keyboard.press('Escape');
  await expect(dialog(page)).toBeHidden();
  await expect(cache).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#\/containers\/[0-9a-f]{64}$/);
});

test('searches and narrows, and keeps that in the address', async ({ page }) => {
  await open(page);
  await page.getByRole('searchbox', { name: 'Search containers' }).fill('shop nginx');
  await expect.poll(() => names(page)).toEqual(['shop-proxy-1']);
  await expect(page).toHaveURL(/q=shop\+nginx/);
  await page.reload();
  await expect.poll(() => names(page)).toEqual(['shop-proxy-1']);
  await page.getByRole('searchbox', { name: 'Search containers' }).fill('no such thing');
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByRole('combobox', { name: 'Show' }).selectOption({ label: 'Paused (1)' });
  await expect.poll(() => names(page)).toEqual(['monitoring-grafana-1']);
});

test('sorts by what is used', async ({ page }) => {
  await open(page, 'busy', '?state=running&q=shop');
  const memory = page.getByRole('columnheader', { name: 'Memory' });
  await memory.getByRole('button').click();
  await memory.getByRole('button').click();
  await expect(memory).toHaveAttribute('aria-sort', 'descending');
  await expect.poll(async () => (await names(page)).slice(0, 2).sort()).toEqual(['shop-search-1', 'shop-web-1']);
});

test('folds a project, and acts on all of it in order', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Fold shop' }).click();
  await expect(row(page, 'shop-web-1')).toBeHidden();
  await page.getByRole('button', { name: 'Stop all of shop' }).click();
  await expect(page.getByRole('row', { name: /shop.*0 running/ })).toBeVisible();
});

test('removes what is chosen after saying what is lost', async ({ page }) => {
  await open(page);
  await row(page, 'sandbox').getByRole('checkbox').click();
  await row(page, 'shop-migrate-1').getByRole('checkbox').click();
  const bar = page.getByRole('toolbar', { name: 'Actions on what is chosen' });
  await expect(bar).toContainText('2 chosen');
  await bar.getByRole('button', { name: 'Remove' }).click();
  await expect(dialog(page)).toContainText('sandbox runs: it is killed');
  await expect(dialog(page)).toContainText('Named volumes, networks and images stay.');
  await dialog(page).getByRole('button', { name: 'Remove 2 containers' }).click();
  await expect(row(page, 'sandbox')).toBeHidden();
  await expect(row(page, 'shop-migrate-1')).toBeHidden();
  await expect(bar).toBeHidden();
});

test('renames, and says why a name will not do', async ({ page }) => {
  await open(page);
  const sandbox = row(page, 'sandbox');
  await sandbox.hover();
  await sandbox.getByRole('button', { name: 'More for sandbox' }).click();
  await page.getByRole('menuitem', { name: 'Rename' }).click();
  const name = page.getByRole('textbox', { name: 'New name' });
  await name.fill('-x');
  await expect(page.getByText('A name begins with a letter or a digit')).toBeVisible();
  await name.fill('shop-web-1');
  await expect(page.getByText('Another container is called shop-web-1.')).toBeVisible();
  await name.fill('playground');
  await name.press('Enter');
  await expect(row(page, 'playground')).toBeVisible();
  await expect(row(page, 'sandbox')).toBeHidden();
});

test('prunes exactly what it named', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Remove stopped' }).click();
  await expect(dialog(page)).toContainText('Remove all 4 stopped containers?');
  await expect(dialog(page)).toContainText('next-release');
  await dialog(page).getByRole('button', { name: 'Remove 4 containers' }).click();
  await expect(toast(page, /Removed 4 containers, freed/)).toBeVisible();
  await expect(row(page, 'next-release')).toBeHidden();
  await expect(page.getByRole('button', { name: 'Remove stopped' })).toBeDisabled();
});

test('tells a refusal in the engine’s words', async ({ page }) => {
  await open(page);
  await page.evaluate(() =>
    engine.fail({ path: /\/start$/, method: 'POST', status: 500, message: 'port is already allocated', times: 1 }),
  );
  const one = row(page, 'next-release');
  await one.hover();
  await one.getByRole('button', { name: 'Start next-release' }).click();
  await expect(toast(page, 'next-release could not be started')).toBeVisible();
  await expect(toast(page, 'port is already allocated')).toBeVisible();
  await expect(one).toContainText('Never started');
});

test('says that a container is gone which somebody else removed', async ({ page }) => {
  await open(page);
  const one = row(page, 'shop-cache-1');
  await one.focus();
  // It goes while the request is on its way: no event has told the list yet.
  await page.evaluate(() => {
    engine.fail({ path: /\/stop/, method: 'POST', status: 404, message: 'No such container: shop-cache-1', times: 1 });
    document.activeElement!.dispatchEvent(new KeyboardEvent('keydown', { key: 's', bubbles: true }));
    engine.vanish('shop-cache-1');
  });
  await expect(toast(page, 'shop-cache-1 is not there any more')).toBeVisible();
  await expect(one).toBeHidden();
});

test('keeps the list when the engine is away, and offers nothing that it could not do', async ({ page }) => {
  await open(page);
  await page.evaluate(() => {
    const away = engine.fail({ path: /./, status: 'unreachable' });
    const stop = engine.fail({ path: /\/events/, status: 'unreachable' });
    Object.assign(globalThis, { back: () => (away(), stop()) });
  });
  // What is asked next finds nobody there: the list, after an event.
  await page.evaluate(() => engine.vanish('sandbox'));
  await expect(page.getByRole('button', { name: 'Remove stopped' })).toBeDisabled();
  await expect(row(page, 'shop-web-1')).toBeVisible();
  await page.evaluate(() => (globalThis as unknown as { back(): void }).back());
  await expect(page.getByRole('button', { name: 'Remove stopped' })).toBeEnabled();
});

test('shows names that look like markup as the text that they are', async ({ page }) => {
  await open(page, 'hostile');
  await expect(page.getByRole('row').filter({ hasText: '<img src=x onerror=' }).first()).toBeVisible();
  expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false);
});

test('draws five hundred without drawing them all', async ({ page }) => {
  await open(page, 'many');
  await expect(page.getByRole('treegrid')).toHaveAttribute('aria-rowcount', /^5\d\d$/);
  expect(await page.getByRole('row').count()).toBeLessThan(60);
});

test('greets an engine that has none', async ({ page }) => {
  await page.goto('/?scene=empty#/containers');
  await expect(page.getByText('No containers yet')).toBeVisible();
  await page.getByRole('link', { name: 'Go to the images' }).click();
  await expect(page).toHaveURL(/#\/images$/);
});
