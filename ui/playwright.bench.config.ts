import { defineConfig } from '@playwright/test';
import pages from './playwright.config';

/** `npm run bench`: what the pages take on this computer. */
export default defineConfig({ ...pages, testDir: 'tests/bench', workers: 1, reporter: [['line']] });
