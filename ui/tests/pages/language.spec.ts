import { expect, test } from '@playwright/test';
import { complaints, open } from './support';

declare const daemon: { fail(fault: { path: RegExp; method?: string; status?: number; message?: string }): () => void };

test('what the daemon says is Chinese on Chinese pages: causes, findings, refusals', async ({ page }) => {
  const said = complaints(page);
  await open(page, { scene: 'fails-check', at: '#/troubleshooting/check', locale: 'zh-CN' });
  const main = page.getByRole('main');
  await expect(main.getByRole('listitem').filter({ hasText: '虚拟化程序' })).toContainText('没有找到 QEMU');
  await expect(main.getByRole('listitem').filter({ hasText: '磁盘空间' })).toContainText('可用 212 GiB');

  await page.evaluate(() => {
    location.hash = '#/machine';
  });
  await main.getByRole('button', { name: '启动', exact: true }).click();
  await expect(main.getByRole('alert')).toContainText('没有找到 QEMU', { timeout: 40_000 });

  await page.evaluate(() => {
    daemon.fail({
      path: /^\/settings$/,
      method: 'PUT',
      status: 400,
      message: 'bad value `900` for cpus: a number from 1 to 8',
    });
    location.hash = '#/settings';
  });
  const cpus = main.getByRole('spinbutton').first();
  await cpus.fill('900');
  await cpus.blur();
  await expect(main).toContainText('cpus 的值 `900` 无效：应为 1 到 8 之间的数字');
  // The browser itself tells of the answer that was made to fail.
  expect(said.filter((one) => !/status of 4/.test(one))).toEqual([]);
});

test('what the engine says is Chinese there, too', async ({ page }) => {
  await open(page, { at: '#/volumes/nothing-of-the-kind', locale: 'zh-CN' });
  await expect(page.getByRole('main')).toContainText('没有这个卷：nothing-of-the-kind');
});
