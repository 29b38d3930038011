import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import { docker, test } from './docker';

test('a build and its steps show by themselves, and one that fails shows why', async ({ page, mine }) => {
  const folder = await mkdtemp(join(tmpdir(), 'pages-'));
  const build = async (text: string) => {
    await writeFile(join(folder, 'Dockerfile'), text);
    return docker('build', '--no-cache', '-q', '-t', `${mine}:1`, folder);
  };
  try {
    await page.goto('/#/builds');
    await build(`FROM busybox\nRUN echo told by ${mine}\n`);
    const one = page.locator('main [data-at]').filter({ has: page.getByRole('link', { name: `${mine}:1` }) });
    await expect(one).toContainText('Completed');
    await one.locator('a[href^="#/builds/"]').first().click();
    const step = page.locator('main ol li').filter({ hasText: `RUN echo told by ${mine}` });
    await expect(step).toBeVisible();
    await page.goto(`${page.url()}/log`);
    await expect(page.getByRole('log')).toContainText(`told by ${mine}`);

    await page.goto('/#/builds');
    const failed = await build(`FROM busybox\nRUN echo why ${mine}; exit 7\n`).then(
      () => 'well',
      (error: Error) => error.message,
    );
    expect(failed).toContain('exit code: 7');
    const newest = page.locator('main [data-at="0"]');
    await expect(newest).toContainText('Failed');
    await newest.locator('a[href^="#/builds/"]').first().click();
    await expect(page.locator('main ol li.open [role=log]')).toContainText(`why ${mine}`);
  } finally {
    await rm(folder, { recursive: true });
  }
});
