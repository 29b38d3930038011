import { expect, type Page } from '@playwright/test';
import { button, dialog, more, row, shut } from './dialogs';
import { docker, test } from './docker';

const REGISTRY = process.env.BERTH_REGISTRY!;

async function open(page: Page): Promise<void> {
  // Without it a file is handed over as a download, which a test can wait for.
  await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'showSaveFilePicker'));
  await page.goto('/#/images');
}

/** An image that nobody else has, with a layer of its own; its name, or its ID where it is given none. */
async function made(mine: string, name?: string, ...changes: string[]): Promise<string> {
  const from = `${mine}-from`;
  await docker('run', '--name', from, 'busybox', 'sh', '-c', `head -c 1000000 /dev/urandom > /${mine}`);
  const id = await docker('commit', ...changes.flatMap((one) => ['-c', one]), from, ...(name ? [name] : []));
  await docker('rm', from);
  return name ?? id;
}

test('runs an image by the form that its configuration fills', async ({ page, mine }) => {
  const name = await made(
    mine,
    `${mine}:1`,
    'EXPOSE 8000',
    'VOLUME /kept',
    'ENV GREETING=morning',
    'CMD ["sh", "-c", "echo good $GREETING; sleep 1000"]',
  );
  await open(page);
  await row(page, name).hover();
  await page.getByRole('button', { name: `Run ${name}` }).click();
  await expect(dialog(page).getByLabel('Port in the container')).toHaveValue('8000');
  await expect(dialog(page).getByLabel('Path in the container')).toHaveValue('/kept');
  const variables = dialog(page).getByRole('group', { name: 'Environment' });
  await expect(variables.getByLabel('Value').last()).toHaveValue('morning');
  await variables.getByLabel('Value').last().fill('evening');
  await dialog(page).getByLabel('Port here').fill('');
  await dialog(page).getByLabel('Name of the container').fill(mine);
  await button(page, 'Run').click();
  await expect(page.getByText('good evening')).toBeVisible();
  expect(await docker('port', mine, '8000')).toMatch(/:\d+$/m);
  expect(await docker('inspect', '--format', '{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}', mine)).toBe(
    'volume /kept',
  );
});

test('pushes an image to a registry, and pulls it from there by its layers', async ({ page, mine }) => {
  const name = await made(mine, `${REGISTRY}/${mine}:1`);
  await open(page);
  await more(page, name, 'Push');
  await button(page, 'Push').click();
  await expect(dialog(page).getByRole('heading').first()).toHaveText(`Pushed ${name}`);
  await shut(page);
  await docker('rmi', name);
  await expect(row(page, name)).toHaveCount(0);
  await page.getByRole('button', { name: 'Pull', exact: true }).click();
  await dialog(page).getByLabel('Image', { exact: true }).fill(name);
  await button(page, 'Pull').click();
  await expect(dialog(page).getByRole('heading').first()).toHaveText(`Pulled ${name}`);
  await expect(dialog(page)).toContainText(`Status: Downloaded newer image for ${name}`);
  const layers = dialog(page).getByRole('list', { name: 'Layers' }).getByRole('listitem');
  await expect(layers.filter({ hasText: 'Done' })).not.toHaveCount(0);
  await shut(page);
  await expect(row(page, name)).toBeVisible();
  expect(await docker('run', '--rm', '--name', mine, name, 'wc', '-c', `/${mine}`)).toBe(`1000000 /${mine}`);
});

test('says in the engine’s words that a registry has no such image', async ({ page, mine }) => {
  await open(page);
  await page.getByRole('button', { name: 'Pull', exact: true }).click();
  await dialog(page).getByLabel('Image', { exact: true }).fill(`${REGISTRY}/${mine}:none`);
  await button(page, 'Pull').click();
  await expect(dialog(page).getByRole('alert')).toContainText(/not found|manifest unknown/);
  await expect(button(page, 'Try again')).toBeVisible();
});

test('saves an image to a file, and loads it from there', async ({ page, mine }) => {
  const name = await made(mine, `${mine}:1`);
  await open(page);
  await more(page, name, 'Save to a file');
  const saved = page.waitForEvent('download');
  await button(page, 'Save').click();
  const file = await (await saved).path();
  await expect(dialog(page)).toContainText('Saved: ');
  await shut(page);
  await docker('rmi', name);
  await expect(row(page, name)).toHaveCount(0);
  await page.getByRole('button', { name: 'Load', exact: true }).click();
  await dialog(page).getByLabel('Choose a file').setInputFiles(file);
  await expect(dialog(page).getByRole('heading').first()).toContainText('Loaded ');
  await shut(page);
  await expect(row(page, name)).toBeVisible();
});

test('a clean-up takes what it said, and says what it freed', async ({ page, mine }) => {
  const id = await made(mine);
  await open(page);
  await page.getByRole('button', { name: 'Clean up' }).click();
  await expect(dialog(page)).toContainText(id.replace('sha256:', '').slice(0, 12));
  await button(page, 'Remove').click();
  await expect(dialog(page)).toContainText(/\d images? removed/);
  await expect(dialog(page)).toContainText(/[\d.]+ MB freed/);
  expect(await docker('images', '-q', '--no-trunc')).not.toContain(id);
});
