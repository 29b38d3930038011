import type { Messages } from '../index.svelte';

export const volumes: Messages['volumes'] = {};
