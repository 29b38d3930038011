import { expect, test, type Page } from '@playwright/test';

const open = (page: Page, path = '') => page.goto(`/?scene=busy#/projects${path}`);
const row = (page: Page, name: string) =>
  page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
const log = (page: Page) => page.getByRole('log');

test('lists the projects with what they are made of', async ({ page }) => {
  await open(page);
  const shop = row(page, 'shop');
  await expect(shop).toContainText('Needs attention');
  await expect(shop).toContainText('6 of 7 running');
  await expect(shop).toContainText('cache, db, migrate');
  await expect(shop).toContainText('/home/ada/shop/compose.yaml');
  await expect(row(page, 'blog')).toContainText('Stopped');
});

test('starts all of a project', async ({ page }) => {
  await open(page);
  const blog = row(page, 'blog');
  await blog.hover();
  await blog.getByRole('button', { name: 'Start all of blog' }).click();
  await expect(blog).toContainText('2 of 2 running');
});

test('says what to type to start one from a file', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page);
  await page.getByRole('button', { name: 'Start from a file' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Compose file' }).fill('my shop/compose.yaml');
  await expect(dialog.getByRole('region', { name: 'Command' })).toHaveText(
    "docker compose -f 'my shop/compose.yaml' up -d",
  );
  await dialog.getByRole('button', { name: 'Command' }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(
    "docker compose -f 'my shop/compose.yaml' up -d",
  );
});

test('shows the services of one, and acts on them', async ({ page }) => {
  await open(page, '/shop');
  await expect(page.getByRole('heading', { name: 'shop' })).toBeVisible();
  await expect(row(page, 'web')).toContainText('shop-web-1');
  await page.getByRole('button', { name: 'Stop all' }).click();
  await expect(page.getByText('0 of 7 running')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Stop all' })).toBeDisabled();
});

test('interleaves the logs of all services, and shows those that are asked for', async ({ page }) => {
  await open(page, '/shop/logs');
  const sources = log(page).locator('[title]');
  await expect.poll(async () => new Set(await sources.allTextContents()).size).toBeGreaterThan(2);
  const services = page.getByRole('group', { name: 'Services shown' });
  await services.getByRole('button', { name: 'proxy' }).dblclick();
  await expect(services.getByRole('button', { name: 'web' })).toHaveAttribute('aria-pressed', 'false');
  await expect.poll(async () => [...new Set(await sources.allTextContents())]).toEqual(['proxy']);
  await services.getByRole('button', { name: 'All' }).click();
  await expect(services.getByRole('button', { name: 'web' })).toHaveAttribute('aria-pressed', 'true');
});

test('names the files and the commands', async ({ page }) => {
  await open(page, '/shop/file');
  await expect(page.getByRole('region', { name: 'Bring up to date' })).toHaveText(
    'docker compose -p shop -f /home/ada/shop/compose.yaml up -d',
  );
});

test('says that a project is gone', async ({ page }) => {
  await open(page, '/nowhere');
  await expect(page.getByText('There are no containers of this project')).toBeVisible();
});
