import type { Messages } from '../index.svelte';

export const containers: Messages['containers'] = {};
