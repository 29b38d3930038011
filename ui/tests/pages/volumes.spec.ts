import { expect, test, type Page } from '@playwright/test';

type Fault = { path: RegExp; method?: string; status?: number; message?: string; times?: number };
type Answer = { body: ReadableStream<Uint8Array> };
type Engine = {
  fail(fault: Fault): () => void;
  request(request: { method: string; path: string }): Promise<Answer>;
};
declare const engine: Engine;

async function open(page: Page, path = '', scene = 'busy'): Promise<void> {
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'showSaveFilePicker'));
  await page.goto(`/?scene=${scene}#/volumes${path}`);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
}

const row = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });
const dialog = (page: Page) => page.getByRole('dialog').or(page.getByRole('alertdialog'));
const button = (page: Page, name: string | RegExp) => dialog(page).getByRole('button', { name, exact: true });
const toast = (page: Page, text: string | RegExp) =>
  page.getByRole('region', { name: 'Notifications' }).getByText(text);

/** How many containers stand there only to show a volume. */
const keepers = (page: Page) =>
  page.evaluate(async () => {
    const filters = encodeURIComponent('{"label":["berth.helper"]}');
    const { body } = await engine.request({ method: 'GET', path: `/containers/json?all=1&filters=${filters}` });
    return ((await new Response(body).json()) as unknown[]).length;
  });

async function more(page: Page, name: string, item: string): Promise<void> {
  await row(page, name).hover();
  await page.getByRole('button', { name: `More actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

test('lists volumes with sizes and users, searches and filters', async ({ page }) => {
  await open(page);
  await expect(page.getByText(/8 volumes, [\d.]+ GB on disk/)).toBeVisible();
  await expect(row(page, 'shop_db-data')).toContainText('412 MB');
  await expect(row(page, 'shop_db-data').getByRole('link', { name: 'shop-db-1' })).toBeVisible();
  await page.getByRole('searchbox', { name: 'Search volumes' }).fill('grafana');
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByRole('searchbox', { name: 'Search volumes' }).fill('');
  await page.getByRole('combobox', { name: 'Show' }).selectOption('unused');
  await expect(page.getByRole('row')).toHaveCount(3);
});

test('creates one, and says what the engine refuses', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'New volume' }).click();
  const name = dialog(page).getByLabel('Name', { exact: true });
  await name.fill('a b');
  await expect(dialog(page).getByRole('alert')).toContainText('Only letters, figures');
  await name.fill('old-experiments');
  await expect(dialog(page).getByRole('alert')).toHaveText('There is a volume of this name');
  await name.fill('fresh');
  await dialog(page).getByLabel('Driver', { exact: true }).fill('nosuch');
  await button(page, 'Create').click();
  await expect(dialog(page).getByRole('alert')).toContainText('plugin "nosuch" not found');
  await dialog(page).getByLabel('Driver', { exact: true }).fill('');
  await button(page, 'Create').click();
  await expect(row(page, 'fresh')).toContainText('not used');
});

test('removes, with the engine’s words on what is in use', async ({ page }) => {
  await open(page);
  await row(page, 'old-experiments').getByRole('checkbox').click();
  await row(page, 'shop_cache').getByRole('checkbox').click();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await button(page, 'Remove').click();
  await expect(dialog(page).getByRole('alert')).toContainText('remove shop_cache: volume is in use - [');
  await button(page, 'Cancel').click();
  await expect(row(page, 'old-experiments')).toHaveCount(0);
  await expect(row(page, 'shop_cache')).toBeVisible();
});

test('a removal that is called off leaves what has not begun', async ({ page }) => {
  await open(page);
  await row(page, 'old-experiments').getByRole('checkbox').click();
  await row(page, 'shop_cache').getByRole('checkbox').click();
  await page.evaluate(() => {
    const request = engine.request.bind(engine);
    const removals: string[] = [];
    const held: { go?: () => void } = {};
    Object.assign(globalThis, { removals, held });
    engine.request = async (asked) => {
      if (asked.method === 'DELETE') {
        removals.push(asked.path);
        await new Promise<void>((go) => (held.go = go));
      }
      return request(asked);
    };
  });
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await button(page, 'Remove').click();
  const removals = () => page.evaluate(() => (globalThis as unknown as { removals: string[] }).removals.length);
  await expect.poll(removals).toBe(1);
  await button(page, 'Cancel').click();
  await expect(dialog(page)).toHaveCount(0);
  await page.evaluate(() => (globalThis as unknown as { held: { go: () => void } }).held.go());
  // The words about the one come behind all that is done.
  await expect(toast(page, 'Volume removed')).toBeVisible();
  expect(await removals()).toBe(1);
});

test('shows what a clean-up takes before, and what it freed after', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Clean up' }).click();
  await expect(dialog(page)).toContainText('1 volume would go');
  await dialog(page)
    .getByRole('radio', { name: /All volumes that no container uses/ })
    .check();
  await expect(dialog(page)).toContainText('2 volumes would go');
  await expect(dialog(page)).toContainText('This frees 746 MB.');
  await button(page, 'Remove').click();
  await expect(dialog(page)).toContainText('2 volumes removed');
  await expect(dialog(page)).toContainText('746 MB freed');
});

test('says why a clean-up was refused', async ({ page }) => {
  await open(page, '', 'failing');
  await page.getByRole('button', { name: 'Clean up' }).click();
  await button(page, 'Remove').click();
  await expect(dialog(page).getByRole('alert')).toContainText('device or resource busy');
});

test('shows the files of a volume, and leaves no container behind', async ({ page }) => {
  await open(page, '/blog_content/files');
  const files = page.getByRole('grid', { name: 'Files in /' });
  await expect(files).toBeVisible();
  expect(await keepers(page)).toBe(1);
  await page.getByLabel('Upload').setInputFiles({
    name: 'note.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('hello from a test'),
  });
  await expect(toast(page, '1 file uploaded')).toBeVisible();
  await expect(row(page, 'note.txt')).toContainText('17 B');
  await row(page, 'note.txt').hover();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download note.txt' }).click();
  expect((await download).suggestedFilename()).toBe('note.txt');
  await row(page, 'note.txt').getByText('note.txt').click();
  await expect(dialog(page)).toContainText('hello from a test');
  await page.keyboard.press('Escape');
  await page.getByRole('link', { name: 'Overview' }).click();
  await expect.poll(() => keepers(page)).toBe(0);
});

test('shows files without any image, and leaves none behind', async ({ page }) => {
  await open(page, '', 'empty');
  await page.evaluate(() =>
    engine.request({
      method: 'POST',
      path: '/volumes/create',
      body: '{"Name":"bare"}',
      headers: { 'content-type': 'application/json' },
    } as never),
  );
  await page.getByRole('link', { name: 'Files' }).click();
  await expect(page.getByText('Nothing is in this folder')).toBeVisible();
  await page.getByRole('link', { name: 'Overview' }).click();
  await expect.poll(() => keepers(page)).toBe(0);
  await page.getByRole('link', { name: /^Images/ }).click();
  await expect(page.getByText('No images yet')).toBeVisible();
});

test('says why the files cannot be shown', async ({ page }) => {
  await open(page);
  await page.evaluate(() =>
    engine.fail({ path: /containers\/create/, method: 'POST', status: 500, message: 'no space left on device' }),
  );
  await row(page, 'old-experiments').hover();
  await row(page, 'old-experiments').getByRole('link', { name: 'Files' }).click();
  await expect(page.getByRole('alert')).toContainText('no space left on device');
});

test('exports a volume, imports it into another, and clones it', async ({ page }) => {
  await open(page);
  await more(page, 'blog_content', 'Export to a file');
  const saved = page.waitForEvent('download');
  await button(page, 'Export').click();
  const file = await saved;
  expect(file.suggestedFilename()).toBe('blog_content.tar');
  await expect(dialog(page)).toContainText('Exported: ');
  await dialog(page).locator('footer').getByRole('button', { name: 'Close' }).click();

  await more(page, 'old-experiments', 'Import from a file');
  await dialog(page)
    .getByLabel('Choose a file')
    .setInputFiles(await file.path());
  await expect(dialog(page)).toContainText('Imported ');
  await dialog(page).locator('footer').getByRole('button', { name: 'Close' }).click();

  await more(page, 'old-experiments', 'Clone');
  await expect(dialog(page).getByLabel('Name of the clone')).toHaveValue('old-experiments-copy');
  await button(page, 'Clone').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('old-experiments-copy');
  await page.getByRole('link', { name: 'Files' }).click();
  await expect(page.getByRole('grid', { name: 'Files in /' }).getByRole('row')).not.toHaveCount(1);
  await page.getByRole('link', { name: 'Overview' }).click();
  await expect.poll(() => keepers(page)).toBe(0);
});

test('a clone that fails leaves no half volume', async ({ page }) => {
  await open(page, '/old-experiments');
  await page.evaluate(() =>
    engine.fail({ path: /archive/, method: 'PUT', status: 500, message: 'no space left on device' }),
  );
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Clone' }).click();
  await button(page, 'Clone').click();
  await expect(dialog(page).getByRole('alert')).toContainText('no space left on device');
  await button(page, 'Cancel').click();
  await page.getByRole('link', { name: 'Volumes', exact: true }).click();
  await expect(row(page, 'old-experiments-copy')).toHaveCount(0);
  expect(await keepers(page)).toBe(0);
});

test('one volume that goes while its page is open', async ({ page }) => {
  await open(page, '/old-experiments');
  await expect(page.getByRole('region', { name: 'Containers that use it' })).toContainText('No container uses it.');
  await page.evaluate(() => engine.request({ method: 'DELETE', path: '/volumes/old-experiments' }));
  await expect(page.getByText('This volume is not there any more')).toBeVisible();
  await expect(page.getByText('get old-experiments: no such volume')).toBeVisible();
});
