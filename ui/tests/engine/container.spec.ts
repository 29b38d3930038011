import { expect } from '@playwright/test';
import { docker, test } from './docker';

test('follows a log, also over a restart', async ({ page, mine }) => {
  const script = 'echo first line; trap "exit 0" TERM; while :; do sleep 1; done';
  const id = await docker('run', '-d', '--name', mine, 'busybox', 'sh', '-c', script);
  await page.goto(`/#/containers/${id}/logs`);
  await expect(page.getByText('first line')).toHaveCount(1);
  await docker('restart', mine);
  await expect(page.getByText('first line')).toHaveCount(2);
});

test('opens a terminal in it, types, and tells how it ended', async ({ page, mine }) => {
  const id = await docker('run', '-d', '--init', '--name', mine, 'busybox', 'sleep', '1000');
  await page.goto(`/#/containers/${id}/terminal`);
  const screen = page.locator('.xterm-rows');
  await expect(screen).toContainText('#');
  await page.locator('.xterm').click();
  await page.keyboard.type('echo $((6 * 7)) > /tmp/answer; stty size; exit 3\n');
  await expect(screen).toContainText(/\d+ \d+/);
  await expect(page.getByText(/\b3\b/).last()).toBeVisible();
  expect(await docker('exec', mine, 'cat', '/tmp/answer')).toBe('42');
});

test('browses its files, and shows one', async ({ page, mine }) => {
  const id = await docker('create', '--name', mine, 'busybox', 'true');
  await page.goto(`/#/containers/${id}/files`);
  await page
    .getByRole('button', { name: 'etc', exact: true })
    .or(page.getByRole('link', { name: 'etc', exact: true }))
    .first()
    .click();
  await expect(page.getByText('passwd').first()).toBeVisible();
});

test('says that it has gone while its page was open', async ({ page, mine }) => {
  const id = await docker('run', '-d', '--init', '--name', mine, 'busybox', 'sleep', '1000');
  await page.goto(`/#/containers/${id}`);
  await expect(page.getByRole('heading', { level: 1 })).toContainText(mine);
  await docker('rm', '-f', mine);
  await expect(
    page
      .getByText('This container is gone')
      .or(page.getByText(/removed|is gone/))
      .first(),
  ).toBeVisible();
});
