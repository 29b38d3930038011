import type { ITheme } from '@xterm/xterm';

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** The terminal's colours as the page's theme has them now. */
export function theme(): ITheme {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const colours = Object.fromEntries(
    COLOURS.flatMap((name) => [
      [name, value(`ansi-${name}`)],
      [`bright${name[0]!.toUpperCase()}${name.slice(1)}`, value(`ansi-bright-${name}`)],
    ]),
  );
  return {
    background: value('terminal'),
    foreground: value('terminal-text'),
    cursor: value('terminal-text'),
    cursorAccent: value('terminal'),
    selectionBackground: value('terminal-selection'),
    ...colours,
  };
}

/** The font as the page has it. */
export function font(): { fontFamily: string; fontSize: number } {
  const style = getComputedStyle(document.documentElement);
  return { fontFamily: style.getPropertyValue('--mono').trim(), fontSize: (parseFloat(style.fontSize) * 13) / 16 };
}

/** Calls back when the theme changes, by the person's choice or by the system's. */
export function onTheme(callback: () => void): () => void {
  const chosen = new MutationObserver(callback);
  chosen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'style'] });
  const system = matchMedia('(prefers-color-scheme: dark)');
  system.addEventListener('change', callback);
  return () => {
    chosen.disconnect();
    system.removeEventListener('change', callback);
  };
}
