import type { Messages } from '../index.svelte';

export const images: Messages['images'] = {};
