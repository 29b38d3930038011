import type { Page } from '@playwright/test';

/** What a list's rows and the dialogs over it are reached by. */
export const row = (page: Page, name: string) => page.getByRole('row').filter({ hasText: name });
export const dialog = (page: Page) => page.getByRole('dialog');
export const button = (page: Page, name: string) => dialog(page).getByRole('button', { name, exact: true });
export const shut = (page: Page) => dialog(page).locator('footer').getByRole('button', { name: 'Close' }).click();

/** Chooses from the menu of a row. */
export async function more(page: Page, name: string, item: string): Promise<void> {
  await row(page, name).hover();
  await page.getByRole('button', { name: `More actions for ${name}`, exact: true }).click();
  await page.getByRole('menuitem', { name: item }).click();
}
