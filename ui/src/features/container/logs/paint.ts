import type { Colour, Style } from './ansi';

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;

/** A colour as CSS takes it: the sixteen are the theme's. */
export function css(colour: Colour): string {
  if (typeof colour === 'string') return colour;
  return `var(--ansi-${colour >= 8 ? 'bright-' : ''}${NAMES[colour % 8]})`;
}

/** A style as CSS; nothing in it comes from the log but numbers that `ansi.ts` made colours of. */
export function declarations(style: Style): string | undefined {
  const found: string[] = [];
  let fg = style.fg === undefined ? undefined : css(style.fg);
  let bg = style.bg === undefined ? undefined : css(style.bg);
  if (style.inverse) [fg, bg] = [bg ?? 'var(--terminal)', fg ?? 'var(--terminal-text)'];
  if (style.hidden) fg = 'transparent';
  if (fg !== undefined) found.push(`color:${fg}`);
  if (bg !== undefined) found.push(`background:${bg}`);
  if (style.bold) found.push('font-weight:700');
  if (style.dim) found.push('opacity:.75');
  if (style.italic) found.push('font-style:italic');
  const lines = [style.underline ? 'underline' : '', style.strike ? 'line-through' : ''].join(' ').trim();
  if (lines !== '') found.push(`text-decoration:${lines}`);
  return found.length === 0 ? undefined : found.join(';');
}

const pad = (n: number, digits = 2) => String(n).padStart(digits, '0');

/** `2026-11-26 20:57:29.123`, by this computer's zone: of one width, so that lines stand below each other. */
export function localTime(time: string): string {
  const date = new Date(time.replace(/(\.\d{3})\d+/, '$1'));
  if (Number.isNaN(date.getTime())) return '';
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}.${pad(date.getMilliseconds(), 3)}`;
}
