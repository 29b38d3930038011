import { expect } from '@playwright/test';
import { button, dialog, more, shut } from './dialogs';
import { docker, test } from './docker';

/** What is in a volume, with owners and modes. */
const within = (mine: string, volume: string) =>
  docker(
    'run',
    '--rm',
    '--name',
    mine,
    '-v',
    `${volume}:/v`,
    'busybox',
    'sh',
    '-c',
    'cd /v; stat -c "%n %u %a" *; cat *',
  );

test('exports a volume, imports the file into another, and clones that', async ({ page, mine }) => {
  const [first, second] = [`${mine}-first`, `${mine}-second`];
  const write = 'echo kept > /v/note; chown 1234 /v/note; chmod 640 /v/note';
  await docker('run', '--rm', '--name', mine, '-v', `${first}:/v`, 'busybox', 'sh', '-c', write);
  await docker('volume', 'create', second);
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'showSaveFilePicker'));
  await page.goto('/#/volumes');

  await more(page, first, 'Export to a file');
  const saved = page.waitForEvent('download');
  await button(page, 'Export').click();
  const file = await (await saved).path();
  await expect(dialog(page)).toContainText('Exported: ');
  await shut(page);

  await more(page, second, 'Import from a file');
  await dialog(page).getByLabel('Choose a file').setInputFiles(file);
  await expect(dialog(page)).toContainText('Imported ');
  await shut(page);
  expect(await within(mine, second)).toBe('note 1234 640\nkept');

  await more(page, second, 'Clone');
  await button(page, 'Clone').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`${second}-copy`);
  expect(await within(mine, `${second}-copy`)).toBe('note 1234 640\nkept');
  // What showed them is gone.
  await expect.poll(() => docker('ps', '-aq', '--filter', 'label=berth.helper')).toBe('');
});
