import { LOCALES, t, type Locale } from '$lib/i18n/index.svelte';
import type { Live } from '$lib/live/live.svelte';
import type { Command } from './commands.svelte';
import { panel, showPanel } from './panels.svelte';
import { prefs, setPrefs, THEMES } from './prefs.svelte';
import { go, link } from './route.svelte';

const PLACES = [
  { view: 'containers', key: 'c' },
  { view: 'projects', key: 'p' },
  { view: 'images', key: 'i' },
  { view: 'volumes', key: 'v' },
  { view: 'networks', key: 'n' },
  { view: 'settings', key: 's' },
] as const;

/** What can be done wherever one is. */
export function ownCommands(live: Live): Command[] {
  return [
    ...PLACES.map(({ view, key }) => ({
      id: `go ${view}`,
      title: () => t().shell.goTo(t().shell[view]),
      icon: view,
      shortcut: `g ${key}`,
      run: () => go(link(view)),
    })),
    {
      id: 'palette',
      title: () => t().shell.palette,
      icon: 'search',
      shortcut: 'Mod+K',
      run: () => showPanel(panel() === 'palette' ? undefined : 'palette'),
    },
    { id: 'search', title: () => t().shell.searchPage, icon: 'search', shortcut: '/', run: focusSearch },
    { id: 'keys', title: () => t().shell.keys, icon: 'keyboard', shortcut: '?', run: () => showPanel('keys') },
    {
      id: 'refresh',
      title: () => t().shell.refresh,
      icon: 'refresh',
      run: () => live.refresh(),
      enabled: () => live.connection === 'connected',
    },
    {
      id: 'reconnect',
      title: () => t().shell.retryNow,
      icon: 'refresh',
      run: () => live.retry(),
      enabled: () => live.connection === 'unreachable',
    },
    ...THEMES.map((theme) => ({
      id: `theme ${theme}`,
      title: () => t().settings.themeIs(t().settings.themes[theme]),
      keywords: 'appearance colour color theme 主题 外观',
      icon: theme === 'dark' ? ('moon' as const) : ('sun' as const),
      run: () => setPrefs({ theme }),
      enabled: () => prefs().theme !== theme,
    })),
    ...(Object.keys(LOCALES) as Locale[]).map((locale) => ({
      id: `language ${locale}`,
      title: () => t().settings.languageIs(LOCALES[locale]),
      keywords: 'language 语言',
      icon: 'language' as const,
      run: () => setPrefs({ locale }),
      enabled: () => prefs().locale !== locale,
    })),
  ];
}

/** The search of the page that is shown. */
function focusSearch(): void {
  const field = document.querySelector<HTMLInputElement>('main [data-search]');
  field?.focus();
  field?.select();
}
