/**
 * Waiting in tests is for what happens, however long a busy computer takes: the libraries' own second is too short.
 */
import { configure } from '@testing-library/svelte';
import { vi } from 'vitest';

const PATIENCE = 30_000;

configure({ asyncUtilTimeout: PATIENCE });

const waitFor = vi.waitFor.bind(vi);
vi.waitFor = (callback, options) =>
  waitFor(callback, typeof options === 'number' ? options : { timeout: PATIENCE, ...options });
const waitUntil = vi.waitUntil.bind(vi);
vi.waitUntil = (callback, options) =>
  waitUntil(callback, typeof options === 'number' ? options : { timeout: PATIENCE, ...options });
