import { en } from './en';
import { zhCN } from './zh-CN';

/** Every text of the pages. A translation that lacks one does not compile. */
export type Messages = typeof en;

export const LOCALES = { en: 'English', 'zh-CN': '简体中文' } as const;
export type Locale = keyof typeof LOCALES;

const CATALOGUES: Record<Locale, Messages> = { en, 'zh-CN': zhCN };

let current = $state<Locale>('en');

/** The texts in the language of now; what reads them in a page is drawn again when the language changes. */
export function t(): Messages {
  return CATALOGUES[current];
}

export function locale(): Locale {
  return current;
}

export function setLocale(to: Locale): void {
  current = to;
  document.documentElement.lang = to;
}

/** The best of ours for what the person's system asks for. */
export function preferred(languages: readonly string[]): Locale {
  for (const language of languages) {
    const tag = language.toLowerCase();
    if (tag.startsWith('zh')) return 'zh-CN';
    if (tag.startsWith('en')) return 'en';
  }
  return 'en';
}
