import { expect, test, type Page } from '@playwright/test';
import { open } from './support';

declare const desktop: { archives: string[]; noArchive?: string };

const main = (page: Page) => page.getByRole('main');
const button = (page: Page, name: string) => main(page).getByRole('button', { name, exact: true });

test('checks this computer, once for each press, and writes no archive by that', async ({ page }) => {
  await open(page, { at: '#/troubleshooting' });
  await button(page, 'Check now').click();
  await expect(main(page).getByRole('listitem').filter({ hasText: 'Hypervisor' })).toContainText('QEMU');
  await expect(button(page, 'Check again')).not.toHaveAttribute('aria-busy', 'true');
  expect(await page.evaluate(() => desktop.archives)).toEqual([]);
});

test('writes an archive when asked, says where it is, and why it cannot', async ({ page }) => {
  await open(page, { at: '#/troubleshooting' });
  await button(page, 'Write an archive').click();
  await expect(main(page)).toContainText(/Downloads\/berth-diagnose-\d+\.tar\.gz/);
  await page.evaluate(() => Object.assign(desktop, { noArchive: 'the disk is full' }));
  await button(page, 'Write an archive').click();
  await expect(main(page).getByRole('alert')).toContainText('the disk is full');
});

test('says what stands in the way', async ({ page }) => {
  await open(page, { scene: 'fails-check', at: '#/troubleshooting/check' });
  await expect(main(page).getByRole('alert').first()).toContainText('stands in the way');
  await expect(main(page).getByRole('listitem').filter({ hasText: 'Hypervisor' })).toContainText('QEMU was not found');
});

test('a reset says what goes, wants a word, and leaves an empty machine', async ({ page }) => {
  await open(page, { at: '#/troubleshooting' });
  await expect(main(page)).toContainText('14 containers, 10 of them running');
  await expect(main(page)).toContainText('6 named volumes, with their data');
  const reset = button(page, 'Reset the machine');
  await expect(reset).toBeDisabled();
  await main(page).getByRole('radio', { name: 'Everything' }).check();
  await main(page).getByLabel('Type “reset” to go on').fill('reset');
  await reset.click();
  await expect(main(page)).toContainText('The machine is as new.', { timeout: 40_000 });
  await button(page, 'Start').click();
  await page.evaluate(() => (location.hash = '#/volumes'));
  await expect(main(page)).toContainText('No volumes yet', { timeout: 30_000 });
});

test('a reset that keeps named volumes keeps them', async ({ page }) => {
  await open(page, { at: '#/troubleshooting' });
  await expect(main(page)).toContainText('14 containers, 10 of them running');
  await main(page).getByLabel('Type “reset” to go on').fill('reset');
  await button(page, 'Reset the machine').click();
  await expect(main(page)).toContainText('named volumes were kept', { timeout: 40_000 });
  await page.evaluate(() => (location.hash = '#/volumes'));
  await expect(main(page)).toContainText('shop_db-data');
});

test('a reset that is stopped on its way is not told as done', async ({ page }) => {
  await open(page, { scene: 'stopped', at: '#/troubleshooting' });
  await page.evaluate(() => {
    const { daemon } = window as unknown as { daemon: { machine: { script: { took: Record<string, number> } } } };
    daemon.machine.script = { ...daemon.machine.script, took: { ...daemon.machine.script.took, boot: 60_000 } };
  });
  await main(page).getByLabel('Type “reset” to go on').fill('reset');
  await button(page, 'Reset the machine').click();
  await button(page, 'Stop').click();
  await expect(main(page)).toContainText('The reset was called off; nothing was removed');
  await expect(main(page)).not.toContainText('The machine is as new');
});

test('a reset that fails says that it is not complete, and is made again from there', async ({ page }) => {
  await open(page, { at: '#/troubleshooting' });
  await page.evaluate(() => {
    const { machine } = (window as unknown as { daemon: { machine: { script: object } } }).daemon;
    machine.script = { ...machine.script, stuck: { cleaning: 'the engine refused: it will not go' } };
  });
  await main(page).getByLabel('Type “reset” to go on').fill('reset');
  await button(page, 'Reset the machine').click();
  const failure = main(page).getByRole('alert');
  await expect(failure).toContainText('The reset is not complete', { timeout: 40_000 });
  await expect(failure).toContainText('the engine refused: it will not go');
  await page.evaluate(() => {
    const { machine } = (window as unknown as { daemon: { machine: { script: object } } }).daemon;
    machine.script = { ...machine.script, stuck: undefined };
  });
  await failure.getByRole('button', { name: 'Reset again' }).click();
  await expect(main(page)).toContainText('named volumes were kept', { timeout: 40_000 });
});

test('how a reset came out is told to whoever left the page', async ({ page }) => {
  await open(page, { at: '#/troubleshooting' });
  await main(page).getByLabel('Type “reset” to go on').fill('reset');
  await button(page, 'Reset the machine').click();
  await page.evaluate(() => (location.hash = '#/settings'));
  const notes = page.getByRole('region', { name: 'Notifications' });
  await expect(notes).toContainText('named volumes were kept', { timeout: 40_000 });
});
