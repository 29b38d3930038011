import type { Messages } from '../index.svelte';

export const networks: Messages['networks'] = {};
