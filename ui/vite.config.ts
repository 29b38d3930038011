import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { bridge } from './dev/bridge';
import { sentences } from './dev/sentences';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// `--mode window`: the pages that the desktop program carries, which have nothing of other backends in them.
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), sentences(), bridge()],
  // Relative addresses: the window serves the pages from its own scheme.
  base: './',
  resolve: {
    alias: { $lib: here('src/lib'), $features: here('src/features') },
    // Under test too the pages are compiled for a browser. Elsewhere Vite's own conditions hold, which an empty list would take away.
    conditions: process.env.VITEST ? ['browser'] : undefined,
  },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    sourcemap: false,
    outDir: mode === 'window' ? 'dist-window' : 'dist',
  },
  server: { host: '127.0.0.1', strictPort: true },
  preview: { host: '127.0.0.1', strictPort: true },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts', 'tests/contract/**/*.test.ts'],
    restoreMocks: true,
    // A busy computer takes longer than a person waits for; what never happens fails all the same.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
    setupFiles: ['./tests/patience.ts'],
    allowOnly: false,
    // Tests read the colours; all other styles are nothing to them.
    css: { include: /theme\.css/ },
  },
}));
