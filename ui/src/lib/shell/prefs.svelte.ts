import { LOCALES, preferred, setLocale, type Locale } from '$lib/i18n/index.svelte';

/** What a person set for the pages on this computer. Kept in the browser's storage: it is no business of the engine's. */
export type Prefs = {
  theme: Theme;
  density: Density;
  /** Of text and all that is measured by it, in percent of what the system has. */
  size: Size;
  locale: Locale | 'system';
  /** They have seen a running engine, or did not want the first run: it comes by itself no more. */
  welcomed: boolean;
};
export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];
export const DENSITIES = ['comfortable', 'compact'] as const;
export type Density = (typeof DENSITIES)[number];
export const SIZES = [80, 90, 100, 110, 125, 150, 175, 200] as const;
export type Size = (typeof SIZES)[number];

const KEY = 'berth.prefs';
const DEFAULT: Prefs = { theme: 'system', density: 'comfortable', size: 100, locale: 'system', welcomed: false };

/** What was kept, as far as it means something: another version of the pages may have written it. */
export function parsePrefs(text: string | null): Prefs {
  let kept: Partial<Record<keyof Prefs, unknown>> = {};
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    if (typeof value === 'object' && value !== null) kept = value;
  } catch {
    // Not ours, or cut off: as if there were none.
  }
  const locales = ['system', ...Object.keys(LOCALES)] as Prefs['locale'][];
  return {
    theme: THEMES.find((one) => one === kept.theme) ?? DEFAULT.theme,
    density: DENSITIES.find((one) => one === kept.density) ?? DEFAULT.density,
    size: SIZES.find((one) => one === kept.size) ?? DEFAULT.size,
    locale: locales.find((one) => one === kept.locale) ?? DEFAULT.locale,
    welcomed: kept.welcomed === true,
  };
}

let current = $state.raw<Prefs>(DEFAULT);

export function prefs(): Prefs {
  return current;
}

export function setPrefs(change: Partial<Prefs>): void {
  current = { ...current, ...change };
  apply();
  try {
    localStorage.setItem(KEY, JSON.stringify(current));
  } catch {
    // Storage is full or forbidden: it holds until the window is closed.
  }
}

/** Makes all of it larger or smaller by so many steps, or with 0 as large as it is by default. */
export function resize(steps: number): void {
  const at = SIZES.indexOf(current.size) + steps;
  setPrefs({ size: steps === 0 ? DEFAULT.size : SIZES[Math.min(Math.max(at, 0), SIZES.length - 1)]! });
}

/** Takes what was kept, and follows what other windows set and what the system turns to. */
export function followPrefs(): () => void {
  const take = () => {
    let text: string | null = null;
    try {
      text = localStorage.getItem(KEY);
    } catch {
      // Forbidden: as if nothing were kept.
    }
    current = parsePrefs(text);
    apply();
  };
  const stored = (event: StorageEvent) => {
    if (event.key === KEY) take();
  };
  const system = matchMedia('(prefers-color-scheme: dark)');
  take();
  addEventListener('storage', stored);
  addEventListener('languagechange', apply);
  system.addEventListener('change', apply);
  return () => {
    removeEventListener('storage', stored);
    removeEventListener('languagechange', apply);
    system.removeEventListener('change', apply);
  };
}

/** Light or dark, whatever was asked for. */
export function darkness(theme: Theme): 'light' | 'dark' {
  if (theme !== 'system') return theme;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

function apply(): void {
  const root = document.documentElement;
  root.dataset.theme = darkness(current.theme);
  root.dataset.density = current.density;
  // Lengths are in rem, so that all of it follows.
  root.style.fontSize = current.size === 100 ? '' : `${current.size}%`;
  setLocale(current.locale === 'system' ? preferred(navigator.languages) : current.locale);
}
