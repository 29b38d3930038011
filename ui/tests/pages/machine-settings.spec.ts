import { expect, test, type Page } from '@playwright/test';
import { open, reload } from './support';

const main = (page: Page) => page.getByRole('main');

test('sets a number, says that it waits for the next start, and restarts for it', async ({ page }) => {
  await open(page, { at: '#/settings' });
  const cpus = main(page).getByLabel('Processors', { exact: true });
  await expect(cpus).toHaveValue('4');
  await cpus.fill('2');
  await cpus.press('Enter');
  await expect(main(page)).toContainText('Waits for the next start of the machine: Processors');
  await reload(page);
  await expect(main(page).getByRole('button', { name: /^Processors: back to the default/ })).toHaveCount(0);
});

test('gives the default back, after which nothing waits', async ({ page }) => {
  await open(page, { at: '#/settings' });
  const memory = main(page).getByLabel('Memory', { exact: true });
  await memory.fill('4096');
  await memory.press('Enter');
  await expect(main(page)).toContainText('Waits for the next start of the machine: Memory');
  await main(page)
    .getByRole('button', { name: /^Memory: back to the default/ })
    .click();
  await expect(memory).toHaveValue('8192');
  await expect(main(page)).not.toContainText('Waits for the next start');
});

test('what the daemon refuses stands at the field, in its words', async ({ page }) => {
  await open(page, { at: '#/settings' });
  const cpus = main(page).getByLabel('Processors', { exact: true });
  await cpus.fill('5000');
  await cpus.press('Enter');
  await expect(main(page).getByRole('alert')).toContainText('a number from 1 to');
  await expect(cpus).toHaveAttribute('aria-invalid', 'true');
  await expect(cpus).toHaveValue('5000');
});

test('a list takes items and gives them up', async ({ page }) => {
  await open(page, { at: '#/settings' });
  const list = main(page).getByRole('group', { name: 'Mirrors of Docker Hub' });
  await list.getByRole('button', { name: 'Add' }).click();
  await page.keyboard.type('nonsense with blanks');
  await page.keyboard.press('Enter');
  await expect(main(page).getByRole('alert')).toContainText('is no mirror');
  await list.getByRole('textbox').fill('https://mirror.example');
  await page.keyboard.press('Enter');
  await expect(main(page).getByRole('alert')).toHaveCount(0);
  await list.getByRole('button', { name: 'Remove https://mirror.example' }).click();
  await expect(list.getByRole('textbox')).toHaveCount(0);
  // A running machine follows at once.
  await expect(main(page)).not.toContainText('Waits for the next start');
});

test('restarting takes what waits into force', async ({ page }) => {
  await open(page, { at: '#/settings' });
  await main(page).getByLabel('Link to the machine').selectOption('serial');
  await expect(main(page)).toContainText('Waits for the next start of the machine: Link to the machine');
  await main(page).getByRole('button', { name: 'Restart the machine' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Restart', exact: true }).click();
  await expect(main(page)).not.toContainText('Waits for the next start', { timeout: 30_000 });
});
