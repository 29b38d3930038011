import type { Messages } from '../index.svelte';

export const kit: Messages['kit'] = {};
