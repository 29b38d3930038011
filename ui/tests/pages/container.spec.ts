import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';

type Engine = {
  fail(fault: {
    path: RegExp;
    method?: string;
    status?: number | 'unreachable';
    message?: string;
    times?: number;
  }): () => void;
  vanish(name: string): void;
};
declare const engine: Engine;

const open = (page: Page, name: string, tab: string, scene = 'busy') =>
  page.goto(`/?scene=${scene}#/containers/${name}/${tab}`);
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true });

test.describe('the head', () => {
  test('tells name, state, image and ports, and stops and starts it', async ({ page }) => {
    await open(page, 'shop-web-1', 'details');
    await expect(page.getByRole('heading', { name: 'shop-web-1' })).toBeVisible();
    await expect(page.getByText('Running, healthy')).toBeVisible();
    await expect(page.getByRole('link', { name: '3000:3000' }).first()).toHaveAttribute(
      'href',
      'http://127.0.0.1:3000',
    );
    await button(page, 'Stop').click();
    await expect(button(page, 'Start')).toBeVisible();
    await button(page, 'Start').click();
    await expect(button(page, 'Stop')).toBeVisible();
    await button(page, 'Pause').click();
    await expect(page.getByText('Paused', { exact: true }).first()).toBeVisible();
    await button(page, 'Resume').click();
    await expect(button(page, 'Pause')).toBeVisible();
  });

  test('says that the container is gone, and keeps what is known', async ({ page }) => {
    await open(page, 'shop-web-1', 'details');
    await expect(page.getByText('What it runs')).toBeVisible();
    await page.evaluate(() => engine.vanish('shop-web-1'));
    await expect(page.getByText('This container is not there any more')).toBeVisible();
    await expect(page.getByText('What it runs')).toBeVisible();
    await expect(button(page, 'Stop')).toHaveCount(0);
    await page.getByRole('link', { name: 'Show all containers' }).click();
    await expect(page).toHaveURL(/#\/containers$/);
  });

  test('says that there is no such container', async ({ page }) => {
    await open(page, 'nobody', 'logs');
    await expect(page.getByText('There is no container nobody')).toBeVisible();
  });

  test('shows hostile names and values as text', async ({ page }) => {
    await page.goto('/?scene=hostile#/containers');
    await page
      .getByRole('link', { name: /onerror/ })
      .first()
      .click();
    await expect(page.getByRole('heading', { name: /<img src=x onerror=/ })).toBeVisible();
    for (const tab of ['Details', 'Inspect', 'Logs']) {
      await page.getByRole('link', { name: tab, exact: true }).click();
      await expect(page.getByRole('link', { name: tab, exact: true })).toHaveAttribute('aria-current', 'page');
    }
    expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
  });

  test('tells ages by the engine’s clock', async ({ page }) => {
    await open(page, 'shop-web-1', 'details', 'skewed');
    await expect(page.getByText(/2 hours ago/).first()).toBeVisible();
  });
});

test.describe('statistics', () => {
  test('draw what it uses, and list its processes', async ({ page }) => {
    await open(page, 'shop-db-1', 'stats');
    await expect(page.getByRole('slider', { name: 'CPU' })).toHaveAttribute('aria-valuetext', /[\d.]+%/);
    await expect(page.getByRole('slider', { name: 'Memory' })).toHaveAttribute('aria-valuetext', /[\d.]+ MiB/);
    await expect(page.getByText(/of its limit of 1 GiB/)).toBeVisible();
    await expect(page.getByRole('columnheader', { name: 'PID', exact: true })).toBeVisible();
    await button(page, 'Stop').click();
    await expect(page.getByText('These are the last measurements.')).toBeVisible();
  });
});

test.describe('files', () => {
  const row = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });

  test('are browsed, edited and kept as they were', async ({ page }) => {
    await open(page, 'shop-web-1', 'files');
    await row(page, 'package.json').dblclick();
    const dialog = page.getByRole('dialog', { name: 'package.json' });
    await dialog.getByRole('button', { name: 'Edit' }).click();
    const text = dialog.getByRole('textbox', { name: 'Edit' });
    await text.fill('{"edited": true}');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(page.getByText('package.json is saved')).toBeVisible();
    await expect(dialog.getByRole('document')).toContainText('{"edited": true}');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      dialog.getByRole('button', { name: 'Download' }).click(),
    ]);
    expect(await readFile((await download.path())!, 'utf8')).toBe('{"edited": true}');
  });

  test('are not written over when they changed meanwhile, and typed text is not lost by a slip', async ({ page }) => {
    await open(page, 'shop-web-1', 'files');
    await row(page, 'package.json').dblclick();
    const dialog = page.getByRole('dialog', { name: 'package.json' });
    await dialog.getByRole('button', { name: 'Edit' }).click();
    await dialog.getByRole('textbox', { name: 'Edit' }).fill('mine');
    await page.evaluate(async () => {
      const world = engine as never as {
        request(r: object): Promise<{ body: ReadableStream }>;
        upgrade(r: object): Promise<unknown>;
      };
      const make = (path: string, body: object) => ({
        method: 'POST',
        path,
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      });
      const made = await world.request(
        make('/containers/shop-web-1/exec', {
          Cmd: ['sh', '-c', 'echo theirs > /app/package.json'],
          AttachStdout: true,
          User: '0',
        }),
      );
      const { Id } = JSON.parse(await new Response(made.body).text());
      const upgrade = (await world.upgrade(make(`/exec/${Id}/start`, {}))) as { duplex: { output: ReadableStream } };
      await new Response(upgrade.duplex.output).text();
    });
    await dialog.getByRole('button', { name: 'Save' }).click();
    await expect(dialog.getByText('The file was changed meanwhile: it is not saved')).toBeVisible();
    await page.keyboard.press('Escape');
    const question = page.getByRole('alertdialog');
    await expect(question).toContainText('package.json has changes that are not saved.');
    await question.getByRole('button', { name: 'Cancel' }).click();
    await expect(dialog.getByRole('textbox', { name: 'Edit' })).toHaveValue('mine');
    await dialog.getByRole('button', { name: 'Load anew' }).click();
    await expect(dialog.getByRole('document')).toContainText('theirs');
  });

  test('are copied in and folders made, also without a running container', async ({ page }) => {
    await open(page, 'blog-web-1', 'files');
    await expect(page.getByRole('treegrid').or(page.getByRole('grid'))).toBeVisible();
    await button(page, 'New folder').click();
    await page.getByRole('textbox', { name: 'Name' }).fill('made here');
    await button(page, 'Make it').click();
    await row(page, 'made here').dblclick();
    await expect(page).toHaveURL(/made\+here|made%20here/);
    await page.locator('input[type=file]').setInputFiles({ name: 'pixel.png', mimeType: 'image/png', buffer: PIXEL });
    await row(page, 'pixel.png').dblclick();
    await expect(page.getByRole('dialog').getByRole('img', { name: 'pixel.png' })).toBeVisible();
    await page.keyboard.press('Escape');
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'pixel.png', mimeType: 'image/png', buffer: Buffer.from([0, 1, 2]) });
    const question = page.getByRole('alertdialog');
    await expect(question).toContainText('pixel.png');
    await question.getByRole('button', { name: 'Replace' }).click();
    await expect(page.getByText(/1 file \(3 B\) copied into/)).toBeVisible();
    await row(page, 'pixel.png').dblclick();
    await expect(page.getByRole('dialog').getByRole('document')).toContainText('00000000  00 01 02');
  });
});

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

test.describe('details', () => {
  test('hide secrets until they are asked for', async ({ page }) => {
    await open(page, 'shop-db-1', 'details');
    await expect(page.getByText('POSTGRES_PASSWORD')).toBeVisible();
    await expect(page.getByText('not-a-secret')).toHaveCount(0);
    await button(page, 'Show POSTGRES_PASSWORD').click();
    await expect(page.getByText('not-a-secret')).toBeVisible();
  });

  test('secrets are hidden in what inspect shows, copies and saves, too', async ({ page }) => {
    await open(page, 'shop-db-1', 'inspect');
    await button(page, 'JSON').click();
    await expect(page.getByText('POSTGRES_PASSWORD=••••••••')).toBeVisible();
    await expect(page.getByText('not-a-secret')).toHaveCount(0);
    await button(page, 'Show secrets').click();
    await expect(page.getByText('POSTGRES_PASSWORD=not-a-secret')).toBeVisible();
  });

  test('a container made anew keeps the secrets that nobody looked at', async ({ page }) => {
    await open(page, 'shop-db-1', 'details');
    await button(page, 'Recreate with changes').click();
    const dialog = page.getByRole('dialog');
    const variables = dialog.getByRole('textbox', { name: 'Environment' });
    await expect(variables).toHaveValue(/POSTGRES_PASSWORD=••••••••/);
    await variables.fill(`MODE=new\n${await variables.inputValue()}`);
    await button(page, 'Recreate').click();
    await expect(dialog).toBeHidden();
    await expect(page.getByText('MODE', { exact: true })).toBeVisible();
    await button(page, 'Show POSTGRES_PASSWORD').click();
    await expect(page.getByText('not-a-secret')).toBeVisible();
  });

  test('change the name and the limits', async ({ page }) => {
    await open(page, 'shop-db-1', 'details');
    await button(page, 'Change').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox', { name: 'Name' }).fill('database');
    await dialog.getByRole('textbox', { name: 'Memory' }).fill('lots');
    await button(page, 'Change it').click();
    await expect(dialog.getByText('A size as 512m or 1.5g, 6m at least.')).toBeVisible();
    await dialog.getByRole('textbox', { name: 'Memory' }).fill('2g');
    await button(page, 'Change it').click();
    await expect(dialog).toBeHidden();
    await expect(page.getByRole('heading', { name: 'database' })).toBeVisible();
    await expect(page.getByText('2 GiB')).toBeVisible();
  });

  test('recreate it with changes, and put it back when that fails', async ({ page }) => {
    await open(page, 'shop-cache-1', 'details');
    await button(page, 'Recreate with changes').click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByText('Its log is lost')).toBeVisible();
    await dialog.getByRole('textbox', { name: 'Environment' }).fill('MODE=new');
    await page.evaluate(() => engine.fail({ path: /\/start/, status: 500, message: 'no room for it', times: 1 }));
    await button(page, 'Recreate').click();
    await expect(dialog.getByText('no room for it')).toBeVisible();
    await expect(dialog.getByText('shop-cache-1 stands there as before.')).toBeVisible();
    await button(page, 'Recreate').click();
    await expect(dialog).toBeHidden();
    await expect(page.getByText('MODE', { exact: true })).toBeVisible();
    await expect(page.getByRole('heading', { name: 'shop-cache-1' })).toBeVisible();
    await expect(page).toHaveURL(/#\/containers\/[0-9a-f]{64}\/details$/);
  });

  test('stays while it is recreated, and tells the end', async ({ page }) => {
    await open(page, 'shop-cache-1', 'details');
    await button(page, 'Recreate with changes').click();
    const dialog = page.getByRole('dialog');
    await expect(dialog.getByText('Its log is lost')).toBeVisible();
    await page.evaluate(() => {
      type Request = { path: string };
      const held = engine as unknown as { request(request: Request): Promise<unknown>; go(): void };
      const request = held.request.bind(engine);
      const going = new Promise<void>((go) => (held.go = go));
      held.request = async (one) => {
        if (/\/stop/.test(one.path)) await going;
        return request(one);
      };
      engine.fail({ path: /\/start/, status: 500, message: 'no room for it', times: 1 });
    });
    await button(page, 'Recreate').click();
    await expect(dialog.getByText('Stopping')).toBeVisible();
    for (let times = 0; times < 3; times++) await page.keyboard.press('Escape');
    await expect(dialog.getByRole('button', { name: 'Close' })).toBeDisabled();
    await expect(dialog.getByText('Stopping')).toBeVisible();
    await page.evaluate(() => (engine as unknown as { go(): void }).go());
    await expect(dialog.getByText('no room for it')).toBeVisible();
    await page.keyboard.press('Escape');
    await expect(dialog).toBeHidden();
  });

  test('inspect shows all of it, as a tree and as text', async ({ page }) => {
    await open(page, 'shop-db-1', 'inspect');
    await expect(page.getByRole('tree')).toContainText('RestartCount');
    await button(page, 'JSON').click();
    await expect(page.getByText('"Name": "/shop-db-1"')).toBeVisible();
  });
});
