import { expect, test, type Page } from '@playwright/test';
import { fill, open, type Engine } from './support';

declare const engine: Engine;

const heading = (page: Page) => page.getByRole('heading', { level: 1 });
const listed = (page: Page) => page.locator('main [data-at]').first();
const told = (page: Page) => page.getByRole('region', { name: 'Notifications' });

/** The engine is away until the page calls `back()`. */
async function away(page: Page): Promise<void> {
  await page.evaluate(() => {
    const back = engine.fail({ path: /^/, status: 'unreachable', message: 'connection refused' });
    Object.assign(window, { back });
  });
}
const back = (page: Page) => page.evaluate(() => (window as unknown as { back(): void }).back());

test('an engine that never answered: why, what to do, and the pages once it is there', async ({ page }) => {
  await open(page, { scene: 'unreachable' });
  await expect(page.getByRole('heading', { name: 'There is no answer from the engine' })).toBeVisible();
  await expect(page.getByRole('main')).toContainText('berth up');
  await page.evaluate(() => {
    const { faults } = engine as unknown as { faults: { clear(): void } };
    faults.clear();
  });
  await page.getByRole('button', { name: 'Try now' }).click();
  await expect(heading(page)).toHaveText('Containers');
});

test('an engine that goes away and comes back: what was known stays, and is refreshed', async ({ page }) => {
  await open(page);
  await expect(listed(page)).toBeVisible();
  await away(page);
  // The last word of the engine: the list that is asked for then finds nobody.
  await page.evaluate(() => engine.vanish('shop-cache-1'));
  await expect(page.getByText('The engine does not answer')).toBeVisible();
  await expect(listed(page)).toBeVisible();
  await expect(page.getByRole('link', { name: 'shop-cache-1', exact: true })).toBeVisible();
  // Nobody presses anything: the pages connect by themselves.
  await back(page);
  await expect(page.getByText('The engine does not answer')).toHaveCount(0);
  await expect(page.getByRole('link', { name: 'shop-cache-1', exact: true })).toHaveCount(0);
});

test('an action that the engine refuses: its words, and the row as it was', async ({ page }) => {
  await open(page);
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'shop-cache-1', exact: true }) });
  await page.evaluate(() =>
    engine.fail({ path: /\/stop$/, status: 500, message: 'cannot stop container: permission denied', times: 1 }),
  );
  await row.hover();
  await row.getByRole('button', { name: 'Stop shop-cache-1' }).click();
  await expect(told(page)).toContainText('cannot stop container: permission denied');
  await expect(row).toContainText('Running');
});

test('a container that vanishes while its page is open', async ({ page }) => {
  await open(page);
  await expect(listed(page)).toBeVisible();
  const shown = {
    logs: 'shop-web-1',
    terminal: 'shop-db-1',
    stats: 'shop-cache-1',
    files: 'shop-proxy-1',
    details: 'shop-search-1',
    inspect: 'shop-worker-1',
  };
  for (const [tab, name] of Object.entries(shown)) {
    const at = await fill(page, `#/containers/{container}/${tab}`, { container: name });
    await page.evaluate((to) => (location.hash = to), at);
    await expect(heading(page)).toHaveText(name);
    await page.evaluate((who) => engine.vanish(who), name);
    await expect(page.getByRole('main')).toContainText(/not there any more|gone|removed/i);
    await expect(heading(page)).toHaveText(name);
  }
});

test('a pull that breaks off half way: how far it came, why, and a way to try again', async ({ page }) => {
  await open(page, { at: '#/images' });
  await expect(listed(page)).toBeVisible();
  await page.evaluate(() =>
    engine.fail({ path: /images\/create/, after: 1500, message: 'the connection was reset', times: 1 }),
  );
  await page.getByRole('button', { name: 'Pull', exact: true }).click();
  await page.getByRole('dialog').getByLabel('Image', { exact: true }).fill('alpine:3.20');
  await page.getByRole('dialog').getByRole('button', { name: 'Pull', exact: true }).click();
  await expect(page.getByText(/alpine:3\.20 could not be pulled/).first()).toBeVisible();
  await expect(page.getByRole('link', { name: /alpine:3\.20/ })).toHaveCount(0);
});

test('a list that cannot be had, with a way to ask again', async ({ page }) => {
  await open(page, { at: '#/images' });
  await expect(listed(page)).toBeVisible();
  await page.evaluate(() =>
    engine.fail({ path: /^\/networks(\?|$)/, status: 500, message: 'the store is broken', times: 1 }),
  );
  await page.keyboard.press('Control+k');
  await page.keyboard.type('Ask the engine for all lists again');
  await expect(page.locator('[role=listbox] [role=option]').first()).toContainText(
    'Ask the engine for all lists again',
  );
  await page.keyboard.press('Enter');
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await expect(page.getByRole('alert')).toContainText('the store is broken');
  await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('alert')).toHaveCount(0);
  await expect(listed(page)).toBeVisible();
});

test('a page that throws is replaced by its failure, and the others go on', async ({ page }) => {
  await open(page, { at: '#/images' });
  await expect(listed(page)).toBeVisible();
  // An answer that no engine gives: what draws networks cannot have been written for it.
  await page.evaluate(() => {
    const { request } = engine as unknown as { request(asked: { path: string }): Promise<object> };
    Object.assign(engine, {
      request: async (asked: { path: string }) => {
        if (!/^\/networks(\?|$)/.test(asked.path)) return request.call(engine, asked);
        const body = new Response('[{"Id":"1","Name":null,"IPAM":null}]').body;
        return { status: 200, headers: {}, body };
      },
    });
  });
  await page.keyboard.press('Control+k');
  await page.keyboard.type('Ask the engine for all lists again');
  await expect(page.locator('[role=listbox] [role=option]').first()).toContainText(
    'Ask the engine for all lists again',
  );
  await page.keyboard.press('Enter');
  await page.keyboard.press('g');
  await page.keyboard.press('n');
  await expect(page.getByText('This page failed')).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await expect(heading(page)).toHaveText('Containers');
  await expect(listed(page)).toBeVisible();
});

test('an address that leads nowhere says so', async ({ page }) => {
  await open(page, { at: '#/nowhere' });
  await expect(page.getByText('There is no such page')).toBeVisible();
  await page
    .getByRole('link', { name: 'Go to the containers' })
    .or(page.getByRole('button', { name: 'Go to the containers' }))
    .click();
  await expect(heading(page)).toHaveText('Containers');
});
