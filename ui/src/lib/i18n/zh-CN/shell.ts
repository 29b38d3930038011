import type { Messages } from '../index.svelte';

export const shell: Messages['shell'] = {};
