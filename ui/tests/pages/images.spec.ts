import { expect, test, type Page } from '@playwright/test';

type Request = { path: string; method: string; body?: string; signal?: AbortSignal };
type Engine = {
  request(request: Request): Promise<unknown>;
  world: { registry: { speed: number; breaking: Map<string, { after: number; times: number; message: string }> } };
};
declare const engine: Engine;

async function open(page: Page, scene = 'busy', path = ''): Promise<void> {
  // Without it a file is handed over as a download, which a test can wait for.
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'showSaveFilePicker'));
  await page.goto(`/?scene=${scene}#/images${path}`);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
}

const row = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });
const dialog = (page: Page) => page.getByRole('dialog').or(page.getByRole('alertdialog'));
const button = (page: Page, name: string | RegExp) => dialog(page).getByRole('button', { name, exact: true });
const toast = (page: Page, text: string | RegExp) =>
  page.getByRole('region', { name: 'Notifications' }).getByText(text);
const layers = (page: Page) => dialog(page).getByRole('list', { name: 'Layers' }).getByRole('listitem');

async function pull(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: 'Pull', exact: true }).click();
  await dialog(page).getByLabel('Image', { exact: true }).fill(name);
  await button(page, 'Pull').click();
}

async function more(page: Page, name: string, item: string): Promise<void> {
  await row(page, name).hover();
  await page.getByRole('button', { name: `More actions for ${name}` }).click();
  await page.getByRole('menuitem', { name: item }).click();
}

test('lists images with who uses them, searches and filters', async ({ page }) => {
  await open(page);
  await expect(page.getByText(/12 images, [\d.]+ GB on disk/)).toBeVisible();
  await expect(row(page, 'redis:7').getByRole('link', { name: 'shop-cache-1' })).toBeVisible();
  await expect(row(page, 'no name')).toContainText('not used');
  await page.getByRole('searchbox', { name: 'Search images' }).fill('shop-db');
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByRole('searchbox', { name: 'Search images' }).fill('');
  await page.getByRole('combobox', { name: 'Show' }).selectOption('dangling');
  await expect(page.getByRole('row')).toHaveCount(2);
  await page.getByRole('searchbox', { name: 'Search images' }).fill('nothing like it');
  await page.getByRole('button', { name: 'Show all images' }).click();
  await expect(page.getByRole('row')).toHaveCount(13);
});

test('pulls with progress by layer', async ({ page }) => {
  await open(page, 'empty');
  await pull(page, 'postgres:16');
  await expect(
    layers(page)
      .filter({ hasText: /Downloading|Unpacking/ })
      .first(),
  ).toContainText(/MB|kB/);
  await expect(dialog(page).getByRole('progressbar', { name: 'All layers' })).toHaveAttribute(
    'aria-valuenow',
    /^[1-9]\d?$/,
  );
  await expect(dialog(page).getByRole('heading')).toHaveText('Pulled postgres:16', { timeout: 45_000 });
  await expect(layers(page).filter({ hasText: 'Done' })).not.toHaveCount(0);
  await expect(dialog(page)).toContainText('Status: Downloaded newer image for postgres:16');
  await dialog(page).locator('footer').getByRole('button', { name: 'Close' }).click();
  await expect(row(page, 'postgres:16')).toBeVisible();
});

test('keeps what was said when a pull fails half way, and tries again', async ({ page }) => {
  await open(page, 'empty');
  await page.evaluate(() =>
    engine.world.registry.breaking.set('redis:7', { after: 4_000_000, times: 1, message: 'connection reset by peer' }),
  );
  await pull(page, 'redis:7');
  await expect(dialog(page).getByRole('alert')).toContainText('connection reset by peer');
  await expect(layers(page)).not.toHaveCount(0);
  await expect(dialog(page)).toContainText('Pulling from library/redis');
  await button(page, 'Try again').click();
  await expect(dialog(page).getByRole('heading')).toHaveText('Pulled redis:7', { timeout: 45_000 });
});

test('a pull that is stopped ends its request', async ({ page }) => {
  await open(page, 'empty');
  await page.evaluate(() => {
    const request = engine.request.bind(engine);
    engine.world.registry.speed = 1000;
    engine.request = (asked) => {
      if (asked.path.startsWith('/images/create')) Object.assign(globalThis, { pulling: asked.signal });
      return request(asked);
    };
  });
  await pull(page, 'redis:7');
  await expect(layers(page).first()).toBeVisible();
  await button(page, 'Stop').click();
  await expect(dialog(page)).toHaveCount(0);
  const aborted = () => page.evaluate(() => (globalThis as unknown as { pulling: AbortSignal }).pulling.aborted);
  expect(await aborted()).toBe(true);
  await expect(page.getByRole('list', { name: 'Transfers' })).toHaveCount(0);
});

test('a pull goes on in the background, and says when it is done', async ({ page }) => {
  await open(page, 'empty');
  await pull(page, 'redis:7');
  await button(page, 'Go on in the background').click();
  const jobs = page.getByRole('list', { name: 'Transfers' });
  await expect(jobs).toContainText('Pulling redis:7');
  await page.getByRole('link', { name: /^Volumes/ }).click();
  await expect(toast(page, 'Pulled redis:7')).toBeVisible({ timeout: 45_000 });
});

test('finds images in the registry, and says what is no name of one', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Pull', exact: true }).click();
  const name = dialog(page).getByLabel('Image', { exact: true });
  await name.fill('NGINX');
  await expect(dialog(page).getByRole('alert')).toHaveText('The repository must be in lower case');
  await name.fill('nginx');
  await button(page, 'Search Docker Hub').click();
  await button(page, 'Take nginxinc/nginx-unprivileged').click();
  await expect(name).toHaveValue('nginxinc/nginx-unprivileged');
  await button(page, 'Pull').click();
  await expect(dialog(page).getByRole('alert')).toContainText('pull access denied for nginxinc/nginx-unprivileged');
});

test('removes several, with the engine’s words on what is in use, and by force', async ({ page }) => {
  await open(page);
  await row(page, 'rabbitmq:3-management').getByRole('checkbox').click();
  await row(page, 'redis:7').getByRole('checkbox').click();
  await expect(page.getByText('2 chosen')).toBeVisible();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(dialog(page)).toContainText('used by shop-cache-1');
  await button(page, 'Remove').click();
  await expect(dialog(page).getByRole('alert')).toContainText(
    'unable to remove repository reference "redis:7" (must force) - container',
  );
  await expect(row(page, 'rabbitmq')).toHaveCount(0);
  await dialog(page)
    .getByRole('checkbox', { name: /Also what containers use/ })
    .check();
  await button(page, 'Remove').click();
  await expect(dialog(page)).toHaveCount(0);
  await expect(row(page, 'redis:7')).toHaveCount(0);
});

test('an image that came into use while only unused ones are shown is not removed with the chosen ones', async ({
  page,
}) => {
  await open(page);
  await page.getByRole('combobox', { name: 'Show' }).selectOption('unused');
  await row(page, 'rabbitmq:3-management').getByRole('checkbox').click();
  await row(page, 'hello-world').getByRole('checkbox').click();
  await expect(page.getByText('2 chosen')).toBeVisible();
  await page.evaluate(() =>
    engine.request({ method: 'POST', path: '/containers/create', body: JSON.stringify({ Image: 'hello-world' }) }),
  );
  await expect(row(page, 'hello-world')).toHaveCount(0);
  await expect(page.getByText('1 chosen')).toBeVisible();
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await expect(dialog(page)).toContainText('rabbitmq:3-management');
  await button(page, 'Remove').click();
  await expect(dialog(page)).toHaveCount(0);
  await page.getByRole('combobox', { name: 'Show' }).selectOption('all');
  await expect(row(page, 'hello-world')).toBeVisible();
});

test('shows what a clean-up takes before, and what it freed after', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Clean up' }).click();
  await expect(dialog(page)).toContainText('1 image would go:');
  await dialog(page)
    .getByRole('radio', { name: /All images that no container uses/ })
    .check();
  await expect(dialog(page)).toContainText('3 images would go:');
  await expect(dialog(page).getByRole('listitem')).toHaveText([
    /no name/,
    /rabbitmq:3-management/,
    /hello-world:latest/,
  ]);
  await button(page, 'Remove').click();
  await expect(dialog(page)).toContainText('3 images removed');
  await expect(dialog(page)).toContainText(/[\d.]+ MB freed/);
  await expect(dialog(page).getByRole('list', { name: 'What went' })).toContainText('rabbitmq:3-management');
  await dialog(page).locator('footer').getByRole('button', { name: 'Close' }).click();
  await expect(page.getByRole('row')).toHaveCount(10);
});

test('names, pushes and says what the registry answers', async ({ page }) => {
  await open(page);
  await more(page, 'redis:7', 'Add a name');
  await dialog(page).getByLabel('New name').fill('alpine:3.22');
  await expect(dialog(page)).toContainText('has this name; it would lose it');
  await dialog(page).getByLabel('New name').fill('shop/cache:1');
  await button(page, 'Add the name').click();
  await expect(row(page, 'shop/cache:1')).toBeVisible();
  await more(page, 'shop/cache:1', 'Push');
  await expect(dialog(page)).toContainText('It goes to shop/cache at docker.io.');
  await button(page, 'Push').click();
  await expect(dialog(page).getByRole('alert')).toContainText('denied');
});

test('saves images to a file, and loads them from it', async ({ page }) => {
  await open(page);
  await row(page, 'hello-world:latest').getByRole('checkbox').click();
  await row(page, 'rabbitmq:3-management').getByRole('checkbox').click();
  await page.getByRole('button', { name: 'Save to a file' }).click();
  const saved = page.waitForEvent('download');
  await button(page, 'Save').click();
  const file = await saved;
  expect(file.suggestedFilename()).toMatch(/-and-1-more\.tar$/);
  await expect(dialog(page)).toContainText(/Saved: /);
  const path = await file.path();
  await open(page, 'empty');
  await page.reload();
  await page.getByRole('button', { name: 'Load' }).click();
  await dialog(page).getByLabel('Choose a file').setInputFiles(path);
  await expect(dialog(page)).toContainText('Loaded image: hello-world:latest');
  await expect(dialog(page)).toContainText('Loaded image: rabbitmq:3-management');
  await dialog(page).locator('footer').getByRole('button', { name: 'Close' }).click();
  await expect(page.getByRole('row')).toHaveCount(3);
});

test('one image: what it is, its layers, and that it is gone', async ({ page }) => {
  await open(page, 'busy', '/postgres%3A16');
  await expect(page.getByRole('region', { name: 'Containers that use it' })).toContainText('shop-db-1');
  await expect(page.getByRole('region', { name: 'What a container gets from it' })).toContainText('5432/tcp');
  await expect(page.getByRole('region', { name: 'Environment' })).toContainText('PG_MAJOR');
  await page.getByRole('link', { name: 'Layers' }).click();
  await expect(page.getByRole('list', { name: 'Layers' }).getByRole('listitem')).toHaveCount(6);
  await page.getByRole('checkbox', { name: 'Biggest first' }).check();
  await expect(page.getByRole('list', { name: 'Layers' }).getByRole('listitem').first()).toContainText('MB');
  await page.evaluate(() => engine.request({ method: 'DELETE', path: '/images/postgres:16?force=1' }));
  await expect(page.getByText('This image is not there any more')).toBeVisible();
  await expect(page.getByText(/No such image: postgres:16/i)).toBeVisible();
});

test('runs an image with what it suggests, and goes to the container', async ({ page }) => {
  await open(page);
  await row(page, 'nginx:1.27').hover();
  await page.getByRole('button', { name: 'Run nginx:1.27' }).click();
  await expect(dialog(page).getByLabel('Command')).toHaveValue("nginx -g 'daemon off;'");
  const port = dialog(page).getByLabel('Port here');
  await expect(port).toHaveValue('8081');
  await port.fill('8080');
  await expect(dialog(page).getByRole('alert')).toHaveText('shop-proxy-1 has port 8080');
  await dialog(page).getByLabel('Name of the container').fill('x');
  await button(page, 'Run').click();
  await expect(dialog(page)).toContainText('2 fields need a look');
  await dialog(page).getByLabel('Name of the container').fill('front');
  await port.fill('8099');
  await button(page, 'Run').click();
  await expect(page).toHaveURL(/#\/containers\/[0-9a-f]{64}$/);
  await expect(toast(page, 'front is running')).toBeVisible();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('front');
});

test('keeps what was filled in when the engine refuses', async ({ page }) => {
  await open(page, 'busy', '?run=alpine:3.22');
  await expect(dialog(page).getByRole('checkbox', { name: /Keep a terminal open/ })).toBeChecked();
  await dialog(page).getByLabel('Command').fill('no-such-program');
  await dialog(page).getByLabel('Name of the container').fill('tried');
  await button(page, 'Run').click();
  await expect(dialog(page).getByRole('alert')).toContainText('no-such-program');
  await expect(dialog(page).getByLabel('Name of the container')).toHaveValue('tried');
  // The container that did not start is not in the way of the next try.
  await dialog(page).getByLabel('Command').fill('sh');
  await button(page, 'Run').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('tried');
});

test('pulls what is not there before it runs it', async ({ page }) => {
  await open(page, 'empty', '?run=redis:7');
  await expect(dialog(page)).toContainText('Not here yet: it is pulled first.');
  await dialog(page).getByLabel('Name of the container').fill('cache');
  await button(page, 'Run').click();
  await expect(dialog(page)).toContainText('Pulling the image');
  await expect(page).toHaveURL(/#\/containers\/[0-9a-f]{64}$/, { timeout: 45_000 });
});

test('shows names that are markup as text', async ({ page }) => {
  await open(page, 'hostile');
  await expect(page.getByText('evil<img src=x onerror="wind', { exact: false }).first()).toBeVisible();
  expect(await page.evaluate(() => 'hacked' in globalThis)).toBe(false);
});
