import { expect, test, type Page } from '@playwright/test';
import { fill, open, type Engine } from './support';

declare const engine: Engine;

const row = (page: Page, name: string) =>
  page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });
const dialog = (page: Page) => page.getByRole('dialog');
const question = (page: Page) => page.getByRole('alertdialog');
const told = (page: Page, text: string) => page.getByRole('region', { name: 'Notifications' }).getByText(text);

test('the list says what each network is', async ({ page }) => {
  await open(page, { at: '#/networks' });
  await expect(row(page, 'shop_backend')).toContainText('172.19.0.0/16');
  await expect(row(page, 'shop_backend')).toContainText('172.19.0.1');
  await expect(row(page, 'playground')).toContainText('internal');
  await expect(row(page, 'bridge')).toContainText('built in');
  await row(page, 'bridge').hover();
  await expect(row(page, 'bridge').getByRole('button', { name: /^Remove/ })).toHaveCount(0);
  await page.getByRole('searchbox', { name: 'Search networks' }).fill('172.19');
  await expect(page.getByRole('gridcell').getByRole('link')).toHaveText(['shop_backend']);
});

test('a network is made after its mistakes were told, and removed again', async ({ page }) => {
  await open(page, { at: '#/networks' });
  await page.getByRole('button', { name: 'Create a network' }).click();
  await dialog(page).getByRole('button', { name: 'Create', exact: true }).click();
  await expect(dialog(page).getByText('Give it a name.')).toBeVisible();
  await expect(dialog(page).getByLabel('Name', { exact: true })).toBeFocused();
  await dialog(page).getByLabel('Name', { exact: true }).fill('mine');
  await dialog(page).getByLabel('Subnet').fill('172.19.4.0/24');
  await dialog(page).getByLabel('Gateway').fill('10.0.0.1');
  await expect(dialog(page).getByText('The network shop_backend has some of these addresses.')).toBeVisible();
  await dialog(page).getByLabel('Subnet').fill('10.77.0.0/24');
  await dialog(page).getByLabel('Range').focus();
  await expect(dialog(page).getByText('This is not within the subnet.')).toBeVisible();
  await dialog(page).getByLabel('Gateway').fill('10.77.0.254');
  await dialog(page).getByText('Internal').click();
  await dialog(page).getByRole('button', { name: 'Add a label' }).click();
  await expect(dialog(page).getByLabel('Name: Labels 1')).toBeFocused();
  await page.keyboard.type('team');
  await page.keyboard.press('Tab');
  await page.keyboard.type('shop');
  await page.keyboard.press('Enter');
  await expect(dialog(page)).toBeHidden();
  await expect(row(page, 'mine')).toContainText('10.77.0.254');
  await expect(told(page, 'Created mine')).toBeVisible();
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('mine');
  await expect(page.getByRole('main')).toContainText('10.77.0.0/24');
  await expect(page.getByRole('main')).toContainText('team');
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await question(page).getByRole('button', { name: 'Remove' }).click();
  await expect(page).toHaveURL(/#\/networks$/);
  await expect(row(page, 'mine')).toHaveCount(0);
});

test('what the engine refuses is told where it was asked', async ({ page }) => {
  await open(page, { at: '#/networks' });
  await page.getByRole('button', { name: 'Create a network' }).click();
  await page.evaluate(() =>
    engine.fail({
      path: /networks\/create/,
      status: 404,
      message: 'all predefined address pools have been fully subnetted',
    }),
  );
  await dialog(page).getByLabel('Name', { exact: true }).fill('mine');
  await page.keyboard.press('Enter');
  await expect(dialog(page).getByRole('alert')).toContainText('all predefined address pools have been fully subnetted');
  await expect(dialog(page).getByLabel('Name', { exact: true })).toHaveValue('mine');
});

test('pruning says what goes, and that is what goes', async ({ page }) => {
  await open(page, { at: '#/networks' });
  await page.getByRole('button', { name: 'Remove unused' }).click();
  await expect(question(page).getByRole('listitem')).toHaveText(['blog_default', 'playground']);
  await expect(question(page)).toContainText('blog-db-1, blog-web-1');
  await question(page).getByRole('button', { name: 'Remove unused' }).click();
  await expect(row(page, 'playground')).toHaveCount(0);
  await expect(row(page, 'blog_default')).toHaveCount(0);
  await expect(row(page, 'shop_backend')).toHaveCount(1);
  await page.getByRole('button', { name: 'Remove unused' }).click();
  await expect(told(page, 'There is nothing to remove')).toBeVisible();
});

test('a network in use is removed only after its containers are disconnected', async ({ page }) => {
  await open(page, { at: '#/networks' });
  await row(page, 'monitoring_default').hover();
  await row(page, 'monitoring_default')
    .getByRole('button', { name: /^Remove/ })
    .click();
  await expect(question(page)).toContainText('monitoring-prometheus-1, which runs');
  await question(page).getByRole('button', { name: 'Disconnect and remove' }).click();
  await expect(row(page, 'monitoring_default')).toHaveCount(0);
});

test('containers are connected with an address and aliases, and disconnected', async ({ page }) => {
  await open(page, { at: '#/networks' });
  await page.getByRole('link', { name: 'playground', exact: true }).click();
  await expect(page.getByText('No container is on this network')).toBeVisible();
  await page.getByRole('button', { name: 'Connect a container' }).click();
  const choice = dialog(page).getByLabel('Container', { exact: true });
  await choice.selectOption({ label: 'shop-cache-1 (Running)' });
  await dialog(page).getByLabel('IPv4 address').fill('10.0.0.9');
  await dialog(page).getByLabel('Aliases').fill('kv, cache');
  await expect(dialog(page).getByText('This is not within the subnet.')).toBeVisible();
  await dialog(page).getByLabel('IPv4 address').fill('172.22.0.77');
  await dialog(page).getByRole('button', { name: 'Connect', exact: true }).click();
  await expect(dialog(page)).toBeHidden();
  const member = page.getByRole('row').filter({ hasText: 'shop-cache-1' });
  await expect(member).toContainText('172.22.0.77/16');
  await expect(member).toContainText('kv, cache');
  await member.getByRole('button', { name: 'Disconnect: shop-cache-1' }).click();
  await question(page).getByRole('button', { name: 'Disconnect' }).click();
  await expect(page.getByText('No container is on this network')).toBeVisible();
});

test('a page whose network goes says so', async ({ page }) => {
  await open(page, { at: '#/networks' });
  await page.getByRole('link', { name: 'playground', exact: true }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('playground');
  await page.evaluate(async () => {
    const { request } = engine as unknown as { request(asked: object): Promise<unknown> };
    await request.call(engine, { method: 'DELETE', path: '/networks/playground' });
  });
  await expect(page.getByText('This network is not there any more')).toBeVisible();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('playground');
});

test.describe('the map', () => {
  const map = (page: Page) => page.getByRole('region', { name: 'Map of networks and containers' });

  test('names every node, and each is a link', async ({ page }) => {
    await open(page, { at: '#/networks?show=map' });
    const web = map(page).getByRole('link', {
      name: /^Container shop-web-1, Running; on shop_backend as 172\.19\.[\d.]+/,
    });
    await expect(web).toHaveAttribute('href', /#\/containers\/[0-9a-f]{64}$/);
    await expect(
      map(page).getByRole('link', { name: /^Network shop_backend, 172\.19\.0\.0\/16: \d+ containers$/ }),
    ).toBeAttached();
    await expect(map(page).getByRole('link', { name: 'Open port 3000:3000 of shop-web-1' })).toHaveAttribute(
      'href',
      'http://127.0.0.1:3000',
    );
    const unnamed = await map(page).evaluate(
      (root) => [...root.querySelectorAll('a')].filter((link) => !link.getAttribute('aria-label')).length,
    );
    expect(unnamed).toBe(0);
    await web.focus();
    await page.keyboard.press('Enter');
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('shop-web-1');
  });

  test('zooms and scrolls by keys', async ({ page }) => {
    await open(page, { at: '#/networks?show=map' });
    await expect(map(page).locator('[data-hub]').first()).toBeVisible();
    await map(page).focus();
    const width = () =>
      map(page)
        .locator('svg')
        .first()
        .evaluate((svg) => svg.getBoundingClientRect().width);
    const before = await width();
    await page.keyboard.press('+');
    await expect(page.getByText('125%')).toBeVisible();
    expect(await width()).toBeCloseTo(before * 1.25, 0);
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => map(page).evaluate((paper) => paper.scrollTop)).toBeGreaterThan(0);
    await page.keyboard.press('0');
    await expect(page.getByText('100%')).toBeVisible();
    expect(await width()).toBeCloseTo(before, 0);
  });

  test('what gets the focus comes into sight', async ({ page }) => {
    await open(page, { at: '#/networks?show=map' });
    const last = map(page).locator('[data-box]').last();
    await last.focus();
    await expect(last).toBeInViewport();
  });

  test('follows the engine', async ({ page }) => {
    await open(page, { at: '#/networks?show=map' });
    await expect(map(page).locator('[data-box="shop-cache-1"]')).toHaveCount(1);
    await page.evaluate(() => engine.vanish('shop-cache-1'));
    await expect(map(page).locator('[data-box="shop-cache-1"]')).toHaveCount(0);
  });

  test('leaves stopped containers out when it is asked to', async ({ page }) => {
    await open(page, { at: '#/networks?show=map' });
    await expect(map(page).locator('[data-box="blog-db-1"]')).toHaveCount(1);
    await page.getByText('Stopped containers too').click();
    await expect(map(page).locator('[data-box="blog-db-1"]')).toHaveCount(0);
    await expect(map(page).locator('[data-hub="blog_default"]')).toHaveCount(1);
  });
});

test('the address of a network by its name leads to it', async ({ page }) => {
  await open(page, { at: '#/networks/playground' });
  await expect(page.getByRole('main')).toContainText('172.22.0.0/16');
  expect(await fill(page, '#/networks/{network}')).toMatch(/^#\/networks\/[0-9a-f]{64}$/);
});
