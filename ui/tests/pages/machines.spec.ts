import { expect, test, type Page } from '@playwright/test';
import { open } from './support';

const one = (page: Page, name: string) => page.getByRole('listitem', { name, exact: true });
const snapshots = (page: Page) => page.getByRole('region', { name: /^Snapshots of/ });

async function menu(page: Page, name: string, item: string) {
  await one(page, name)
    .getByRole('button', { name: `More about ${name}` })
    .click();
  await page.getByRole('menuitem', { name: item }).click();
}

test.beforeEach(async ({ page }) => {
  await open(page, { at: '#/machine/all' });
  await expect(one(page, 'default')).toContainText('Running');
});

test('the machines are listed with their state and the one that this window shows', async ({ page }) => {
  await expect(one(page, 'default')).toContainText('in this window');
  await expect(one(page, 'staging')).toContainText('Stopped');
  await expect(one(page, 'staging')).toContainText('2 processors, 2 GiB');
  await expect(one(page, 'staging').getByText('berth-staging')).toBeVisible();
});

test('a machine is created, used with containers of its own, and removed when another one is used', async ({
  page,
}) => {
  await page.getByRole('button', { name: 'Create a machine' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Play');
  await expect(dialog.getByText('Only small letters')).toBeVisible();
  await dialog.getByLabel('Name').fill('play');
  await dialog.getByLabel('Processors').fill('2');
  await dialog.getByRole('button', { name: 'Create a machine' }).click();
  await expect(one(page, 'play')).toContainText('none yet');

  await one(page, 'play').getByRole('button', { name: 'Use play' }).click();
  await expect(page.getByText('This window uses play now')).toBeVisible();
  await expect(one(page, 'play')).toContainText('in this window');
  await expect(one(page, 'default')).toContainText('Running');
  await expect(page.locator('main header').getByText('Stopped')).toBeVisible();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await expect(page.locator('main header').getByText('Running')).toBeVisible();
  await page.getByRole('link', { name: /^Containers/ }).click();
  await expect(page.getByText('No containers yet')).toBeVisible();

  await page.goto(page.url().replace(/#.*/, '#/machine/all'));
  await one(page, 'default').getByRole('button', { name: 'Use default' }).click();
  await page.getByRole('link', { name: /^Containers/ }).click();
  await expect(page.getByRole('row', { name: /shop-web-1/ })).toBeVisible();
});

test('what runs in the machine that is shown is not ended by a turn without a question', async ({ page }) => {
  await page.evaluate(() => {
    type Request = { path: string; signal: AbortSignal };
    const { engine } = globalThis as unknown as { engine: { request(asked: Request): Promise<unknown> } };
    const request = engine.request.bind(engine);
    // A registry that says nothing.
    engine.request = (asked) => {
      if (!asked.path.startsWith('/images/create')) return request(asked);
      Object.assign(globalThis, { pulling: asked.signal });
      return new Promise((_, stop) => asked.signal.addEventListener('abort', () => stop(asked.signal.reason)));
    };
  });
  const ended = () => page.evaluate(() => (globalThis as unknown as { pulling: AbortSignal }).pulling.aborted);
  await page.getByRole('link', { name: /^Images/ }).click();
  await page.getByRole('button', { name: 'Pull', exact: true }).click();
  await page.getByRole('dialog').getByLabel('Image', { exact: true }).fill('redis:8');
  await page.getByRole('dialog').getByRole('button', { name: 'Pull' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Go on in the background' }).click();

  await page.goto(page.url().replace(/#.*/, '#/machine/all'));
  await one(page, 'staging').getByRole('button', { name: 'Use staging' }).click();
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('They run in default');
  await expect(question).toContainText('Pulling redis:8');
  await question.getByRole('button', { name: 'Cancel' }).click();
  await expect(one(page, 'default')).toContainText('in this window');
  expect(await ended()).toBe(false);

  await one(page, 'staging').getByRole('button', { name: 'Use staging' }).click();
  await question.getByRole('button', { name: 'Use' }).click();
  await expect(one(page, 'staging')).toContainText('in this window');
  expect(await ended()).toBe(true);
});

test('a terminal that goes on out of sight is not ended by a turn without a question', async ({ page }) => {
  await page.getByRole('link', { name: /^Containers/ }).click();
  await page.getByRole('link', { name: 'sandbox', exact: true }).click();
  await page.getByRole('link', { name: 'Terminal', exact: true }).click();
  await expect(page.locator('.xterm-rows')).toContainText('#');
  await page.evaluate(() => {
    type Request = { path: string; body?: string };
    const { engine } = globalThis as unknown as { engine: { request(asked: Request): Promise<unknown> } };
    const request = engine.request.bind(engine);
    const run: string[] = [];
    engine.request = (asked) => {
      if (asked.path.endsWith('/exec')) run.push(asked.body ?? '');
      return request(asked);
    };
    Object.assign(globalThis, { run });
  });
  await page.evaluate(() => (location.hash = '#/machine/all'));
  await one(page, 'staging').getByRole('button', { name: 'Use staging' }).click();
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('Terminal of sandbox');
  await question.getByRole('button', { name: 'Use' }).click();
  await expect(one(page, 'staging')).toContainText('in this window');
  // What ran in it is told to end, in the machine that it ran in.
  await expect
    .poll(() => page.evaluate(() => (globalThis as unknown as { run: string[] }).run.join()))
    .toContain('HUP');
});

test('the window turns at once, however long it takes to look at all machines', async ({ page }) => {
  await page.evaluate(() => {
    const { desktop } = globalThis as unknown as { desktop: { machines: { list: () => Promise<never> } } };
    desktop.machines.list = () => new Promise(() => {});
  });
  await one(page, 'staging').getByRole('button', { name: 'Use staging' }).click();
  await expect(page.getByText('This window uses staging now')).toBeVisible();
  await expect(page.locator('main header').getByText('Stopped')).toBeVisible();
});

test('a copy that goes on is seen by whoever comes back to the page', async ({ page }) => {
  await page.evaluate(() => {
    const { desktop } = globalThis as unknown as { desktop: { machines: { export: () => Promise<never> } } };
    desktop.machines.export = () => new Promise(() => {});
  });
  await menu(page, 'staging', 'Export to a file');
  await expect(page.getByText('Exporting staging…')).toBeVisible();
  await page.getByRole('link', { name: /^Containers/ }).click();
  await page.goto(page.url().replace(/#.*/, '#/machine/all'));
  await expect(page.getByText('Exporting staging…')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Create a machine' })).toBeDisabled();
});

test('a removal says what it frees, and the machine in use cannot be removed', async ({ page }) => {
  await one(page, 'default').getByRole('button', { name: 'More about default' }).click();
  await expect(page.getByRole('menuitem', { name: 'Remove' })).toBeDisabled();
  await expect(page.getByRole('menuitem', { name: 'Clone' })).toBeDisabled();
  await page.keyboard.press('Escape');
  await expect(one(page, 'default')).toContainText('It is not stopped');

  await menu(page, 'staging', 'Remove');
  const question = page.getByRole('alertdialog');
  await expect(question).toContainText('Remove the machine staging?');
  await expect(question).toContainText(/Its disk takes up to \d+ MiB of this computer/);
  await question.getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText(/staging is removed\. It took up to \d+ MiB/)).toBeVisible();
  await expect(one(page, 'staging')).toHaveCount(0);
});

test('a stopped machine is cloned, exported and imported', async ({ page }) => {
  await menu(page, 'staging', 'Clone');
  await expect(page.getByRole('dialog').getByLabel('Name')).toHaveValue('staging-copy');
  await page.getByRole('dialog').getByRole('button', { name: 'Clone' }).click();
  await expect(one(page, 'staging-copy')).toContainText('2 processors');

  await menu(page, 'staging', 'Export to a file');
  await expect(page.getByText('/home/ada/Downloads/berth-staging.tar.zst')).toBeVisible();
  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('moved');
  await page.getByRole('dialog').getByRole('button', { name: 'Choose the file' }).click();
  await expect(page.getByText('moved is there')).toBeVisible();
  await expect(one(page, 'moved')).toBeVisible();
});

test('snapshots of the stopped machine are made, gone back to and removed', async ({ page }) => {
  await expect(snapshots(page).getByRole('rowheader', { name: 'before-upgrade' })).toBeVisible();
  await expect(snapshots(page).getByRole('button', { name: 'Make a snapshot' })).toBeDisabled();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Stop' }).click();
  await expect(one(page, 'default')).toContainText('Stopped');

  await snapshots(page).getByLabel('New snapshot').fill('before-upgrade');
  await snapshots(page).getByRole('button', { name: 'Make a snapshot' }).click();
  await expect(snapshots(page).getByText('There is one of this name.')).toBeVisible();
  await snapshots(page).getByLabel('New snapshot').fill('today');
  await snapshots(page).getByRole('button', { name: 'Make a snapshot' }).click();
  await expect(snapshots(page).getByRole('rowheader', { name: 'today' })).toBeVisible();
  // The daemon that made way is there again.
  await expect(page.getByRole('button', { name: 'Start', exact: true })).toBeVisible();

  await snapshots(page).getByRole('button', { name: 'Restore before-upgrade' }).click();
  await expect(page.getByRole('alertdialog')).toContainText('All that changed on the disk of default');
  await page.getByRole('alertdialog').getByRole('button', { name: 'Restore' }).click();
  await expect(page.getByText('default is as it was in before-upgrade')).toBeVisible();

  await snapshots(page).getByRole('button', { name: 'Remove today' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click();
  await expect(snapshots(page).getByRole('rowheader', { name: 'today' })).toHaveCount(0);
});

test('a failure is told in the program’s words, and the list stays', async ({ page }) => {
  await page.getByRole('button', { name: 'Import' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('moved');
  await page.evaluate(() => {
    const { desktop } = globalThis as unknown as { desktop: { machines: { chosen: string } } };
    desktop.machines.chosen = '/home/ada/holiday.zip';
  });
  await page.getByRole('dialog').getByRole('button', { name: 'Choose the file' }).click();
  await expect(page.getByText('/home/ada/holiday.zip is no machine that can be imported')).toBeVisible();
  await expect(one(page, 'moved')).toHaveCount(0);
});
