import { defineConfig } from '@playwright/test';
import pages from './playwright.config';

/** Writes a picture of every view in every language and theme into `docs/screenshots`. */
export default defineConfig({
  ...pages,
  testDir: 'tests/screenshots',
  workers: 1,
  use: { ...pages.use, screenshot: 'off', contextOptions: { reducedMotion: 'reduce' } },
});
