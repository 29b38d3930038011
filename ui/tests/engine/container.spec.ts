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
  await expect(page.getByText('Ended with exit code 3')).toBeVisible();
  expect(await docker('exec', mine, 'cat', '/tmp/answer')).toBe('42');
});

test('goes on in the background, and leaves no shell behind when it is closed', async ({ page, mine }) => {
  const id = await docker('run', '-d', '--init', '--name', mine, 'busybox', 'sleep', '1000');
  await docker('exec', '-d', mine, 'sh', '-c', 'sleep 2000; true');
  await page.goto(`/#/containers/${id}/terminal`);
  await expect(page.locator('.xterm-rows')).toContainText('#');
  await page.locator('.xterm').click();
  await page.keyboard.type('sleep 3000\n');
  const runs = async () => (await docker('top', mine, '-eo', 'pid,args')).replace(/^ *\d+ +/gm, '');
  await expect.poll(runs).toContain('sleep 3000');
  await page.goto('/#/images');
  await expect(page.locator('.xterm-rows')).toHaveCount(0);
  expect(await runs()).toContain('sleep 3000');
  await page.goto(`/#/containers/${id}/terminal`);
  await expect(page.locator('.xterm-rows')).toContainText('sleep 3000');
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await expect.poll(runs).not.toContain('sleep 3000');
  // Of the shells only the other one's is left.
  expect((await runs()).split('\n').filter((line) => /^sh\b/.test(line))).toEqual(['sh -c sleep 2000; true']);
});

test('browses its files, and shows one', async ({ page, mine }) => {
  await docker('run', '--name', mine, 'busybox', 'sh', '-c', 'echo good day > /root/note');
  const id = await docker('inspect', '--format', '{{.Id}}', mine);
  await page.goto(`/#/containers/${id}/files`);
  const row = (name: string) => page.getByRole('row').filter({ has: page.getByText(name, { exact: true }) });
  await row('root').dblclick();
  await row('note').dblclick();
  await expect(page.getByRole('dialog', { name: 'note' })).toContainText('good day');
});

test('takes a file in, has it edited, and keeps whose it is', async ({ page, mine }) => {
  const id = await docker('run', '-d', '--init', '--name', mine, 'busybox', 'sleep', '1000');
  await page.goto(`/#/containers/${id}/files`);
  const row = (name: string) => page.getByRole('row').filter({ has: page.getByText(name, { exact: true }) });
  await row('root').dblclick();
  // What is copied in goes where the list is of.
  await expect(row('bin')).toHaveCount(0);
  await page
    .locator('input[type=file]')
    .setInputFiles({ name: 'note', mimeType: 'text/plain', buffer: Buffer.from('from here') });
  await expect(row('note')).toBeVisible();
  expect(await docker('exec', mine, 'cat', '/root/note')).toBe('from here');
  await docker('exec', mine, 'sh', '-c', 'chown 1234 /root/note; chmod 640 /root/note');
  await row('note').dblclick();
  const dialog = page.getByRole('dialog', { name: 'note' });
  await dialog.getByRole('button', { name: 'Edit' }).click();
  await dialog.getByRole('textbox', { name: 'Edit' }).fill('edited');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(page.getByText('note is saved')).toBeVisible();
  expect(await docker('exec', mine, 'sh', '-c', 'stat -c "%u %a" /root/note; cat /root/note')).toBe('1234 640\nedited');
});

test('is made anew with changes under its own name, with its volume', async ({ page, mine }) => {
  const script = 'echo $MODE >> /data/modes; cat /data/modes; sleep 1000';
  const options = ['--init', '--name', mine, '-e', 'MODE=old', '-v', `${mine}:/data`];
  const id = await docker('run', '-d', ...options, 'busybox', 'sh', '-c', script);
  await page.goto(`/#/containers/${id}/details`);
  await page.getByRole('button', { name: 'Recreate with changes' }).click();
  const dialog = page.getByRole('dialog');
  const variables = dialog.getByRole('textbox', { name: 'Environment' });
  await variables.fill((await variables.inputValue()).replace('MODE=old', 'MODE=new'));
  await dialog.getByRole('button', { name: 'Recreate', exact: true }).click();
  await expect(dialog).toBeHidden();
  await expect(page).not.toHaveURL(new RegExp(id));
  await expect.poll(() => docker('logs', mine)).toBe('old\nnew');
  expect(await docker('ps', '-a', '--filter', `name=${mine}`, '--format', '{{.Names}}')).toBe(mine);
});

test('cuts a log’s line of ten megabytes, and shows it whole', async ({ page, mine }) => {
  const script = 'head -c 10000000 /dev/zero | tr "\\0" x; echo; echo after it';
  const id = await docker('run', '-d', '--name', mine, 'busybox', 'sh', '-c', script);
  await page.goto(`/#/containers/${id}/logs`);
  await expect(page.getByText('after it')).toBeVisible();
  await page.getByRole('button', { name: 'A line of 10 MB' }).click();
  await expect(page.getByRole('dialog', { name: 'A line of 10 MB' })).toContainText('xxxxxxxx');
  expect(await page.evaluate(() => document.body.innerText.length)).toBeLessThan(200_000);
});

test('says that it has gone while its page was open', async ({ page, mine }) => {
  const id = await docker('run', '-d', '--init', '--name', mine, 'busybox', 'sleep', '1000');
  await page.goto(`/#/containers/${id}`);
  await expect(page.getByRole('heading', { level: 1 })).toContainText(mine);
  await docker('rm', '-f', mine);
  await expect(page.getByText('This container is not there any more').first()).toBeVisible();
});
