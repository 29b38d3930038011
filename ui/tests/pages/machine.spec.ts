import { expect, test, type Page } from '@playwright/test';
import { complaints, open } from './support';

type Daemon = {
  fail(fault: { path: RegExp; method?: string; status?: number; message?: string; times?: number }): () => void;
  end(): void;
  machine: { script: object & { fate?: object } };
};
declare const daemon: Daemon;
declare const desktop: { terminals: number };

const main = (page: Page) => page.getByRole('main');
const button = (page: Page, name: string) => main(page).getByRole('button', { name, exact: true });
const badge = (page: Page) => main(page).locator('header .badge');

test('shows how a machine runs: what it uses, its ports with their containers, its facts', async ({ page }) => {
  const said = complaints(page);
  await open(page, { at: '#/machine' });
  await expect(badge(page)).toHaveText('Running');
  await expect(page.getByRole('meter', { name: 'Memory' })).toHaveAttribute('aria-valuetext', /of 8 GiB/);
  await expect(page.getByRole('meter', { name: 'Disk' })).toBeVisible();
  const row = main(page).getByRole('row').filter({ hasText: 'shop-proxy-1' }).first();
  await expect(row.getByRole('link').first()).toHaveAttribute('href', 'http://localhost:8080');
  await expect(main(page).locator('dl')).toContainText('KVM: with the processor’s help');
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
  await expect(page.locator('a[href="#/machine"]').first()).toContainText('Running');
  expect(said).toEqual([]);
});

test('stopping says what it ends, and starting shows each step', async ({ page }) => {
  await open(page, { at: '#/machine' });
  await expect(badge(page)).toHaveText('Running');
  await button(page, 'Stop').click();
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('10 containers are running in it');
  await expect(question).toContainText('shop-web-1');
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(badge(page)).toHaveText('Running');
  await button(page, 'Stop').click();
  await question.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(badge(page)).toHaveText('Stopped');
  await button(page, 'Start').click();
  await expect(main(page).locator('ol li.active')).toBeVisible();
  await expect(badge(page)).toHaveText('Running');
  await expect(main(page).locator('ol li.done')).toHaveCount(6);
});

for (const [step, name] of [
  ['check', 'Hypervisor'],
  ['image', 'Guest image'],
  ['disk', 'Data disk'],
  ['boot', 'Boot'],
  ['link', 'Link to the guest'],
  ['engine', 'Engine'],
] as const)
  test(`a start that fails at ${step} says so, why, and the ways on`, async ({ page }) => {
    await open(page, { scene: `fails-${step}`, at: '#/machine' });
    await button(page, 'Start').click();
    const failure = main(page).getByRole('alert');
    await expect(failure).toContainText(`The machine did not start: ${name}`, { timeout: 40_000 });
    await expect(main(page).locator('ol li.failed')).toContainText(name);
    const again = step === 'engine' ? 'Stop it and start again' : 'Try again';
    await expect(failure.getByRole('button', { name: again })).toBeVisible();
    await failure.getByRole('link', { name: /^Log: / }).click();
    await expect(main(page).locator('[role=log]')).toBeVisible();
  });

test('a machine that failed and is still there is ended and started again, once that is agreed to', async ({
  page,
}) => {
  await open(page, { scene: 'fails-engine', at: '#/machine' });
  await button(page, 'Start').click();
  const failure = main(page).getByRole('alert');
  await expect(failure).toContainText('It is still there', { timeout: 40_000 });
  // No start is taken, so none is offered.
  await expect(button(page, 'Start')).toHaveCount(0);
  await page.evaluate(() => {
    daemon.machine.script = { ...daemon.machine.script, fate: undefined };
  });
  await failure.getByRole('button', { name: 'Stop it and start again' }).click();
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('What runs in it cannot be seen just now.');
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(badge(page)).toHaveText('Failed');
  await failure.getByRole('button', { name: 'Stop it and start again' }).click();
  await question.getByRole('button', { name: 'Restart', exact: true }).click();
  await expect(badge(page)).toHaveText('Running', { timeout: 40_000 });
});

test('ending what is left of a machine that failed is asked first, by its keys as well', async ({ page }) => {
  await open(page, { scene: 'fails-engine', at: '#/machine' });
  await button(page, 'Start').click();
  await expect(main(page).getByRole('alert')).toContainText('It is still there', { timeout: 40_000 });
  await page.keyboard.press('m');
  await page.keyboard.press('x');
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('What runs in it cannot be seen just now.');
  await question.getByRole('button', { name: 'Cancel' }).click();
  await button(page, 'Stop what is left of it').click();
  await question.getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(badge(page)).toHaveText('Stopped');
});

test('logs by source, followed, with search', async ({ page }) => {
  await open(page, { at: '#/machine/logs' });
  const log = page.locator('main [role=log]');
  await expect(log).toContainText('Linux version');
  await main(page).getByRole('radio', { name: 'Daemon' }).check();
  await expect(log).toContainText('the daemon listens');
  await expect(page).toHaveURL(/#\/machine\/logs\/daemon$/);
  await page.getByRole('searchbox', { name: 'Search the log' }).fill('listens');
  await expect(log.locator('mark').first()).toHaveText('listens');
  await expect(page.getByRole('button', { name: 'Show times' })).toHaveCount(0);
});

test('pages of a machine that is stopped offer to start it, and appear once it runs', async ({ page }) => {
  await open(page, { scene: 'stopped', at: '#/images' });
  await expect(page.getByRole('heading', { name: 'The machine is stopped' })).toBeVisible();
  await button(page, 'Start the machine').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Images', { timeout: 30_000 });
});

test('pages keep what was known while the machine is stopped, and say so', async ({ page }) => {
  await open(page, { at: '#/images' });
  await expect(main(page).locator('[data-at]').first()).toBeVisible();
  await page.keyboard.press('m');
  await page.keyboard.press('x');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await expect(page.getByText('The machine is stopped. What is shown below is from before.')).toBeVisible();
  await expect(main(page).locator('[data-at]').first()).toBeVisible();
  await button(page, 'Start the machine').click();
  await expect(page.getByText('What is shown below is from before.')).toHaveCount(0, { timeout: 30_000 });
});

test('a machine whose daemon ended is not told to be stopped, and a daemon is started for it', async ({ page }) => {
  await open(page, { at: '#/machine' });
  await expect(badge(page)).toHaveText('Running');
  await page.evaluate(() => daemon.end());
  await expect(badge(page)).toHaveText('Not known');
  await expect(main(page)).toContainText('A machine that ran goes on without it');
  await button(page, 'Start the daemon').click();
  await expect(badge(page)).toHaveText('Running');
});

test('what the daemon refuses is told in its words', async ({ page }) => {
  await open(page, { scene: 'stopped', at: '#/machine' });
  await page.evaluate(() => daemon.fail({ path: /^\/up/, status: 500, message: 'another command is at it' }));
  await button(page, 'Start').click();
  await expect(page.getByRole('region', { name: 'Notifications' })).toContainText('another command is at it');
});

test('keys and the palette reach the machine', async ({ page }) => {
  await open(page);
  await expect(main(page).locator('[data-at]').first()).toBeVisible();
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Machine');
  await page.keyboard.press('m');
  await page.keyboard.press('t');
  await expect.poll(() => page.evaluate(() => desktop.terminals)).toBe(1);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('Check this computer');
  await expect(page.locator('[role=listbox] [role=option]').first()).toContainText('Check this computer');
  await page.keyboard.press('Enter');
  await expect(main(page).getByRole('listitem').filter({ hasText: 'Hypervisor' })).toContainText('QEMU');
});

test('says what troubles a machine that does not serve', async ({ page }) => {
  await open(page, { scene: 'trouble', at: '#/machine' });
  await expect(main(page)).toContainText('The machine is there, and does not serve just now');
  await expect(main(page)).toContainText("the host's disk is full");
});

test('an engine alone has no machine', async ({ page }) => {
  await open(page, { scene: 'unreachable', at: '#/machine' });
  await expect(main(page)).toContainText('There is no machine here');
  await expect(page.locator('a[href="#/machine"]')).toHaveCount(0);
});
