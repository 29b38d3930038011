import { mount } from 'svelte';
import { choose } from '$lib/backend/choose';
import { followPrefs } from '$lib/shell/prefs.svelte';
import App from './App.svelte';

import.meta.glob('./lib/style/*.css', { eager: true });

followPrefs();
mount(App, { target: document.getElementById('app')!, props: { backend: await choose() } });
