import type { Messages } from '../index.svelte';

export const projects: Messages['projects'] = {};
