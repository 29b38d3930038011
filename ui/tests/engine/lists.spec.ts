import { expect } from '@playwright/test';
import { docker, test } from './docker';

test('images are listed with who uses them', async ({ page, mine }) => {
  await docker('create', '--name', mine, 'busybox', 'true');
  await page.goto('/#/images');
  const busybox = page.getByRole('row').filter({ hasText: 'busybox' }).first();
  await expect(busybox.getByRole('link', { name: mine })).toBeVisible();
});

test('a volume is made, used, and shown to be', async ({ page, mine }) => {
  await page.goto('/#/volumes');
  await docker('volume', 'create', mine);
  const volume = page.getByRole('row').filter({ hasText: mine });
  await expect(volume).toContainText('not used');
  await docker('create', '--name', `${mine}-c`, '-v', `${mine}:/data`, 'busybox', 'true');
  await expect(volume.getByRole('link', { name: `${mine}-c` })).toBeVisible();
});

test('a network is made on the page, and the docker CLI finds it', async ({ page, mine }) => {
  await page.goto('/#/networks');
  await page.getByRole('button', { name: 'Create a network' }).click();
  await page.getByRole('dialog').getByLabel('Name', { exact: true }).fill(mine);
  await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByRole('link', { name: mine, exact: true }).first()).toBeVisible();
  expect(await docker('network', 'inspect', '--format', '{{.Driver}}', mine)).toBe('bridge');
});

test('what is in a volume is shown without a container in sight', async ({ page, mine }) => {
  await docker('run', '--rm', '-v', `${mine}:/data`, 'busybox', 'sh', '-c', 'echo kept > /data/note');
  await page.goto(`/#/volumes/${mine}/files`);
  await expect(page.getByRole('row').filter({ hasText: 'note' })).toBeVisible();
  await page
    .getByRole('navigation')
    .getByRole('link', { name: /^Containers/ })
    .click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Containers');
  await expect(page.getByText('berth-')).toHaveCount(0);
  // It goes when the page of the volume has been left.
  await expect.poll(() => docker('ps', '-aq', '--filter', 'label=berth.helper')).toBe('');
});
