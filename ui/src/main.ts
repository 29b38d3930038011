import { mount } from 'svelte';
import '$lib/style/reset.css';
import '$lib/style/theme.css';
import '$lib/style/base.css';
import { choose } from '$lib/backend/choose';
import { t } from '$lib/i18n/index.svelte';
import Broken from '$lib/shell/Broken.svelte';
import { followPrefs } from '$lib/shell/prefs.svelte';
import Window from './Window.svelte';

// Before anything is drawn: no flash of the other theme or language.
followPrefs();
const target = document.getElementById('app')!;
try {
  mount(Window, { target, props: { host: await choose() } });
} catch (error) {
  const { startFailed: title, startFailedText: text } = t().shell;
  mount(Broken, { target, props: { title, text, error, retry: () => location.reload() } });
}
