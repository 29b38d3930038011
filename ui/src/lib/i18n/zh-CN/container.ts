import type { Messages } from '../index.svelte';

export const container: Messages['container'] = {};
