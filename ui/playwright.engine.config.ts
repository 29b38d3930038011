import { defineConfig } from '@playwright/test';
import pages from './playwright.config';

/** The pages over a real engine; whoever runs this serves them and names the address (`tests/front_end` of the workspace). */
export default defineConfig({
  ...pages,
  testDir: 'tests/engine',
  workers: 1,
  // A container is started in an emulated moment, an engine on a busy machine takes longer.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  use: { ...pages.use, baseURL: process.env.BERTH_PAGES_URL },
  webServer: undefined,
});
