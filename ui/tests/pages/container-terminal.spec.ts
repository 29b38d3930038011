import { expect, test, type Page } from '@playwright/test';
import type { Engine } from './support';

declare const engine: Engine;

const open = (page: Page, name: string, tab: string, scene = 'busy') =>
  page.goto(`/?scene=${scene}#/containers/${name}/${tab}`);
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true });
const screen = (page: Page) => page.locator('.xterm-rows');

async function type(page: Page, words: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Terminal' }).focus();
  await page.keyboard.type(words);
  await page.keyboard.press('Enter');
}

test('the terminal is a shell, and says its exit code', async ({ page }) => {
  await open(page, 'sandbox', 'terminal');
  await expect(screen(page)).toContainText('#');
  await type(page, 'echo one-$TERM');
  await expect(screen(page)).toContainText('one-xterm');
  await type(page, 'exit 3');
  await expect(page.getByText('Ended with exit code 3')).toBeVisible();
  await button(page, 'Open again').click();
  await expect(page.getByText('Ended with exit code 3')).toBeHidden();
  await type(page, 'echo second');
  await expect(screen(page)).toContainText('second');
});

test('the terminal stays open while other tabs are looked at', async ({ page }) => {
  await open(page, 'sandbox', 'terminal');
  await expect(screen(page)).toContainText('#');
  await type(page, 'echo still-here');
  await page.getByRole('link', { name: 'Details', exact: true }).click();
  await expect(screen(page)).toBeHidden();
  await page.getByRole('link', { name: 'Terminal', exact: true }).click();
  await expect(screen(page)).toContainText('still-here');
});

test('the terminal goes on while other pages are looked at, and is there again with what it wrote', async ({
  page,
}) => {
  await open(page, 'sandbox', 'terminal');
  await expect(screen(page)).toContainText('#');
  await page.evaluate(() => {
    const asked: string[] = [];
    const { request } = engine as unknown as { request(of: { path: string }): Promise<unknown> };
    Object.assign(engine, {
      request: (of: { path: string }) => {
        asked.push(of.path);
        return request.call(engine, of);
      },
    });
    Object.assign(globalThis, { asked });
  });
  await type(page, 'MARK=kept; echo be""fore');
  await expect(screen(page)).toContainText('before');
  await type(page, 'sleep 2; echo mean""while');
  await page.evaluate(() => (location.hash = '#/images'));
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Images');
  await expect(screen(page)).toHaveCount(0);
  await page.evaluate(() => (location.hash = '#/containers/shop-web-1/terminal'));
  await expect(screen(page)).toContainText('$');
  await expect(screen(page)).not.toContainText('before');
  // By its name or by its ID: it is the same container.
  await page.evaluate(() => (location.hash = '#/containers'));
  await page
    .getByRole('row', { name: /sandbox/ })
    .getByRole('link', { name: 'sandbox', exact: true })
    .click();
  await page.getByRole('link', { name: 'Terminal', exact: true }).click();
  await expect(screen(page)).toContainText('meanwhile');
  await expect(screen(page)).toContainText('before');
  await expect(page.getByRole('textbox', { name: 'Terminal' })).toBeFocused();
  await type(page, 'echo $MARK-$MARK');
  await expect(screen(page)).toContainText('kept-kept');
  // One shell of another container was made, and nothing else was run.
  const made = await page.evaluate(() =>
    (globalThis as unknown as { asked: string[] }).asked.filter((path) => /containers.*\/exec$/.test(path)),
  );
  expect(made).toHaveLength(1);
});

test('the terminal that ended while nobody looked says so, and the next visit opens another', async ({ page }) => {
  await open(page, 'sandbox', 'terminal');
  await expect(screen(page)).toContainText('#');
  await type(page, 'echo la""st; sleep 1; exit 5');
  await expect(screen(page)).toContainText('last');
  await page.evaluate(() => (location.hash = '#/images'));
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Images');
  await page.evaluate(() => (location.hash = '#/containers/sandbox/terminal'));
  await expect(page.getByText('Ended with exit code 5')).toBeVisible();
  await expect(screen(page)).toContainText('last');
  await page.evaluate(() => (location.hash = '#/images'));
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Images');
  await page.evaluate(() => (location.hash = '#/containers/sandbox/terminal'));
  await expect(screen(page)).toContainText('#');
  await expect(screen(page)).not.toContainText('last');
  await expect(page.getByText('Ended with exit code 5')).toHaveCount(0);
});

test('the terminal is closed when the person says so', async ({ page }) => {
  await open(page, 'sandbox', 'terminal');
  await expect(screen(page)).toContainText('#');
  await type(page, 'echo before');
  await expect(screen(page)).toContainText('before');
  await button(page, 'Close').click();
  await expect(button(page, 'Close')).toHaveCount(0);
  await expect(button(page, 'Open')).toBeFocused();
  await expect(screen(page)).toContainText('before');
  await button(page, 'Open').click();
  await expect(screen(page)).not.toContainText('before');
  await type(page, 'echo second');
  await expect(screen(page)).toContainText('second');
});

test('the terminal copies and pastes by keys', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page, 'sandbox', 'terminal');
  await expect(screen(page)).toContainText('#');
  await page.evaluate(() => navigator.clipboard.writeText('echo pasted-text'));
  await page.getByRole('textbox', { name: 'Terminal' }).focus();
  await page.keyboard.press('Control+Shift+V');
  await expect(screen(page)).toContainText('echo pasted-text');
  await page.keyboard.press('Enter');
  // By the mouse itself: the terminal takes it over what it draws.
  const words = screen(page).getByText('pasted-text', { exact: true });
  await expect(words).toBeVisible();
  const box = (await words.boundingBox())!;
  await page.mouse.dblclick(box.x + 10, box.y + box.height / 2);
  await page.keyboard.press('Control+Shift+C');
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toContain('pasted');
});

test('the terminal is left by keyboard, and gone back to', async ({ page }) => {
  await open(page, 'sandbox', 'terminal');
  await expect(screen(page)).toContainText('#');
  const terminal = page.getByRole('textbox', { name: 'Terminal' });
  await expect(terminal).toBeFocused();
  await expect(terminal).toHaveAccessibleDescription(/leave the terminal: Ctrl\+Shift\+L/);
  await expect(page.getByText('leave the terminal: Ctrl+Shift+L')).toBeVisible();
  // For what runs in it.
  await page.keyboard.press('Tab');
  await expect(terminal).toBeFocused();
  await page.keyboard.press('Control+Shift+L');
  await expect(button(page, 'Open anew')).toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await expect(button(page, 'Close')).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await expect(terminal).toBeFocused();
  // Nothing of it came to the shell.
  await type(page, 'echo one$((1 + 1))');
  await expect(screen(page)).toContainText('# echo one');
});

test('the terminal says in the engine’s words why there is none', async ({ page }) => {
  await open(page, 'sandbox', 'details');
  await expect(page.getByText('What it runs')).toBeVisible();
  await page.evaluate(() =>
    engine.fail({
      path: /\/exec\/[^/]+\/start/,
      status: 400,
      message: 'exec: "sh": executable file not found in $PATH',
      times: 1,
    }),
  );
  await page.getByRole('link', { name: 'Terminal', exact: true }).click();
  await expect(page.getByText('exec: "sh": executable file not found in $PATH')).toBeVisible();
  await expect(page.getByText(/Images without a shell are common/)).toBeVisible();
  await page.getByRole('combobox', { name: 'What to open' }).selectOption({ label: 'Command' });
  await page.getByRole('textbox', { name: 'Command' }).fill('echo "a  b"');
  await button(page, 'Open').click();
  await expect(page.getByText('Ended with exit code 0')).toBeVisible();
  await expect(screen(page)).toContainText('a  b');
});

test('the terminal offers to start what does not run', async ({ page }) => {
  await open(page, 'blog-web-1', 'terminal');
  await expect(page.getByText('A terminal needs a running container.')).toBeVisible();
  await page.getByRole('button', { name: 'Start' }).last().click();
  await expect(screen(page)).toBeVisible();
});
