import { expect, test, type Page } from '@playwright/test';
import { complaints, open, reload, type Engine } from './support';

declare const engine: Engine;

const main = (page: Page) => page.getByRole('main');
const button = (page: Page, name: string) => main(page).getByRole('button', { name, exact: true });
const heading = (page: Page) => page.getByRole('heading', { level: 1 });

async function started(page: Page): Promise<void> {
  await open(page, { scene: 'first', at: '' });
  await expect(heading(page)).toHaveText('Welcome to Berth');
  await button(page, 'Start the machine').click();
  await expect(main(page)).toContainText('Run something', { timeout: 30_000 });
}

test('leads from nothing to a web server that runs, with its link', async ({ page }) => {
  const said = complaints(page);
  await open(page, { scene: 'first', at: '' });
  await expect(heading(page)).toHaveText('Welcome to Berth');
  await expect(main(page).getByRole('listitem').filter({ hasText: 'Hypervisor' })).toContainText('QEMU');
  await expect(main(page)).toContainText('4 processors');
  await expect(main(page)).toContainText('No download');
  await button(page, 'Start the machine').click();
  await expect(main(page).locator('ol li.active').first()).toBeVisible();
  await expect(main(page)).toContainText('Run something', { timeout: 30_000 });
  await button(page, 'Run it').click();
  await expect(heading(page)).toHaveText('first-web', { timeout: 30_000 });
  await expect(main(page).locator('a[href$=":8080"]').first()).toBeVisible();
  expect(said).toEqual([]);
  // It does not come back by itself.
  await page.evaluate(() => (location.hash = '#/containers'));
  await expect(heading(page)).toHaveText('Containers');
});

test('can be started once nothing moves the button any more', async ({ page }) => {
  await open(page, { scene: 'first', at: '' });
  const start = button(page, 'Start the machine');
  await expect(start).toBeEnabled();
  const there = await main(page).innerText();
  const place = await start.boundingBox();
  expect(there).toContain('QEMU');
  expect(there).toContain('4 processors');
  await expect(main(page).getByRole('status')).toBeVisible();
  expect(await start.boundingBox()).toEqual(place);
});

test('runs hello-world as well', async ({ page }) => {
  await started(page);
  await main(page)
    .getByRole('radio', { name: /A greeting/ })
    .check();
  await button(page, 'Run it').click();
  await expect(heading(page)).toHaveText('first-hello', { timeout: 30_000 });
  await expect(page.locator('main [role=log]')).toContainText('Hello from Berth!');
});

test('says why an image could not be had, and tries again or another', async ({ page }) => {
  await started(page);
  await page.evaluate(() =>
    engine.fail({ path: /images\/create/, status: 500, message: 'dial tcp: lookup registry: no such host', times: 1 }),
  );
  await button(page, 'Run it').click();
  await expect(main(page).getByRole('alert')).toContainText('no such host');
  await button(page, 'Try again').click();
  await expect(heading(page)).toHaveText('first-web', { timeout: 30_000 });
});

test('shows the console of the start when it is asked for', async ({ page }) => {
  await open(page, { scene: 'first', at: '' });
  await page.evaluate(() => {
    const { daemon } = window as unknown as { daemon: { machine: { script: { took: Record<string, number> } } } };
    daemon.machine.script = { ...daemon.machine.script, took: { ...daemon.machine.script.took, link: 20_000 } };
  });
  await button(page, 'Start the machine').click();
  await main(page).getByText('Console of the machine').click();
  await expect(page.locator('main [role=log]')).toContainText('Linux version');
  await button(page, 'Call it off').click();
  await expect(main(page)).toContainText('The start was called off. Nothing runs.');
});

test('a start that fails says why, and can be tried again', async ({ page }) => {
  await open(page, { scene: 'first', at: '' });
  await page.evaluate(() => {
    const { daemon } = window as unknown as { daemon: { machine: { script: object } } };
    const fate = { step: 'disk', cause: 'not enough room: 208 MiB are free', times: 1 };
    daemon.machine.script = { ...daemon.machine.script, fate };
  });
  await button(page, 'Start the machine').click();
  await expect(main(page).getByRole('alert')).toContainText('not enough room: 208 MiB are free');
  await button(page, 'Try again').click();
  await expect(main(page)).toContainText('Run something', { timeout: 30_000 });
});

test('can be skipped, and does not come back', async ({ page }) => {
  await open(page, { scene: 'first', at: '' });
  await button(page, 'Skip').click();
  await expect(page.getByRole('heading', { name: 'The machine is stopped' })).toBeVisible();
  await reload(page);
  await expect(page.getByRole('heading', { name: 'The machine is stopped' })).toBeVisible();
});

test('gives way to an address that says where to go, and to the pages that are chosen', async ({ page }) => {
  await open(page, { scene: 'first', at: '#/containers' });
  await expect(page.getByRole('heading', { name: 'The machine is stopped' })).toBeVisible();
  await expect(page).toHaveURL(/#\/containers$/);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('first container');
  await page.keyboard.press('Enter');
  await expect(heading(page)).toHaveText('Welcome to Berth');
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Containers' }).click();
  await expect(page.getByRole('heading', { name: 'The machine is stopped' })).toBeVisible();
});
