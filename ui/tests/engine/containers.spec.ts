import { expect, type Page } from '@playwright/test';
import { docker, test } from './docker';

const row = (page: Page, name: string) =>
  page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) });

test('what the docker CLI does shows by itself', async ({ page, mine }) => {
  await page.goto('/#/containers');
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await docker('run', '-d', '--init', '--name', mine, 'busybox', 'sleep', '1000');
  await expect(row(page, mine)).toContainText('Running');
  await expect(row(page, mine).getByRole('img', { name: new RegExp(`Memory use of ${mine}: `) })).toBeVisible();
  await docker('pause', mine);
  await expect(row(page, mine)).toContainText('Paused');
  await docker('rm', '-f', mine);
  await expect(row(page, mine)).toBeHidden();
});

test('stops, starts and removes one', async ({ page, mine }) => {
  await docker('run', '-d', '--init', '--name', mine, 'busybox', 'sleep', '1000');
  await page.goto('/#/containers');
  await row(page, mine).hover();
  await row(page, mine)
    .getByRole('button', { name: `Stop ${mine}` })
    .click();
  await expect(row(page, mine)).toContainText('Exited');
  await row(page, mine).hover();
  await row(page, mine)
    .getByRole('button', { name: `Start ${mine}` })
    .click();
  await expect(row(page, mine)).toContainText('Running');
  await row(page, mine).focus();
  await page.keyboard.press('Delete');
  await page
    .getByRole('alertdialog')
    .getByRole('button', { name: /^Remove/ })
    .click();
  await expect(row(page, mine)).toBeHidden();
  expect(await docker('ps', '-aq', '--filter', `name=${mine}`)).toBe('');
});

test('an action that the engine refuses is told in its words', async ({ page, mine }) => {
  await docker('create', '--name', mine, 'busybox', '/no/such/program');
  await page.goto('/#/containers');
  await row(page, mine).hover();
  await row(page, mine)
    .getByRole('button', { name: `Start ${mine}` })
    .click();
  const said = page.getByRole('region', { name: 'Notifications' });
  await expect(said).toContainText('/no/such/program');
});
