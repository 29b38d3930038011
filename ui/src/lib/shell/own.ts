import type { Desktop } from '$lib/backend/host';
import { LOCALES, t, type Locale } from '$lib/i18n/index.svelte';
import type { Live } from '$lib/live/live.svelte';
import type { Machine } from '$lib/live/machine.svelte';
import type { Command } from './commands.svelte';
import { openTerminal, restartMachine, startMachine, stopMachine } from './machine';
import { panel, showPanel } from './panels.svelte';
import { prefs, resize, setPrefs, SIZES, THEMES } from './prefs.svelte';
import { go, link } from './route.svelte';

const PLACES = [
  { view: 'containers', key: 'c' },
  { view: 'projects', key: 'p' },
  { view: 'images', key: 'i' },
  { view: 'builds', key: 'b' },
  { view: 'volumes', key: 'v' },
  { view: 'networks', key: 'n' },
  { view: 'settings', key: 's' },
] as const;

/** Those that there are only where there is a machine. */
const OF_MACHINE = [
  { view: 'machine', key: 'm' },
  { view: 'troubleshooting', key: 't' },
] as const;

type Of = { live: Live; machine?: Machine; desktop?: Desktop };

/** What can be done wherever one is. */
export function ownCommands({ live, machine, desktop }: Of): Command[] {
  return [
    ...[...PLACES, ...(machine ? OF_MACHINE : [])].map(({ view, key }) => ({
      id: `go ${view}`,
      title: () => t().shell.goTo(t().shell[view]),
      icon: view,
      shortcut: `g ${key}`,
      run: () => go(link(view)),
    })),
    ...(machine ? machineCommands(machine, live) : []),
    ...(machine && desktop
      ? [
          {
            id: 'terminal',
            title: () => t().machine.command.terminal,
            keywords: 'shell terminal 终端',
            icon: 'terminal' as const,
            shortcut: 'm t',
            run: () => void openTerminal(desktop),
          },
        ]
      : []),
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
    ...sizeCommands(desktop !== undefined),
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

/** A browser has its own keys for it, and does it itself. */
function sizeCommands(isWindow: boolean): Command[] {
  const command = (id: string, steps: number, key: string, title: () => string, enabled: () => boolean): Command => ({
    id: `size ${id}`,
    title,
    keywords: 'zoom scale font 缩放 字体',
    icon: 'search',
    shortcut: isWindow ? key : undefined,
    run: () => resize(steps),
    enabled,
  });
  return [
    command(
      'larger',
      1,
      'Mod++',
      () => t().shell.larger,
      () => prefs().size !== SIZES.at(-1),
    ),
    command(
      'smaller',
      -1,
      'Mod+-',
      () => t().shell.smaller,
      () => prefs().size !== SIZES[0],
    ),
    command(
      'usual',
      0,
      'Mod+0',
      () => t().shell.usualSize,
      () => prefs().size !== 100,
    ),
  ];
}

function machineCommands(machine: Machine, live: Live): Command[] {
  return [
    {
      id: 'go first',
      title: () => t().shell.toFirst,
      keywords: 'welcome tour 欢迎 引导',
      icon: 'anchor',
      run: () => go(link('first')),
    },
    {
      id: 'machine start',
      title: () => t().machine.command.start,
      keywords: 'up boot 启动',
      icon: 'play',
      shortcut: 'm s',
      run: () => void startMachine(machine),
      enabled: () => machine.phase === 'stopped' || (machine.phase === 'failed' && !machine.stranded),
    },
    {
      id: 'machine stop',
      title: () => t().machine.command.stop,
      keywords: 'down halt shut 停止',
      icon: 'stop',
      shortcut: 'm x',
      run: () => void stopMachine(machine, live),
      enabled: () => machine.phase === 'running' || machine.phase === 'starting' || machine.alive,
    },
    {
      id: 'machine restart',
      title: () => t().machine.command.restart,
      keywords: 'reboot 重启',
      icon: 'restart',
      shortcut: 'm r',
      run: () => void restartMachine(machine, live),
      enabled: () => machine.phase === 'running' || machine.alive,
    },
    {
      id: 'diagnose',
      title: () => t().machine.command.diagnose,
      keywords: 'diagnose troubleshooting 诊断',
      icon: 'troubleshooting',
      shortcut: 'm d',
      run: () => go(link('troubleshooting', ['check'])),
    },
  ];
}

/** The search of the page that is shown. */
function focusSearch(): void {
  const field = document.querySelector<HTMLInputElement>('main [data-search]');
  field?.focus();
  field?.select();
}
