import { describe, expect, it } from 'vitest';
import theme from './theme.css?raw';

type Colours = Record<string, string>;

/** The custom properties set in the block that begins with `selector`. */
function block(selector: string): Colours {
  const from = theme.indexOf(`${selector} {`);
  expect(from, selector).toBeGreaterThanOrEqual(0);
  const body = theme.slice(theme.indexOf('{', from) + 1, theme.indexOf('}', from));
  return Object.fromEntries(
    [...body.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map(([, name, value]) => [name!, value!.trim()]),
  );
}

function light(channel: number): number {
  const part = channel / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

function rgb(colour: string): [number, number, number] {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/.exec(colour);
  if (hex === null) throw new Error(`${colour} is no colour of six digits`);
  return [1, 2, 3].map((at) => Number.parseInt(hex[at]!, 16)) as [number, number, number];
}

function luminance(colour: [number, number, number]): number {
  return 0.2126 * light(colour[0]) + 0.7152 * light(colour[1]) + 0.0722 * light(colour[2]);
}

/** As WCAG 2.2 defines it. */
function contrast(one: [number, number, number], other: [number, number, number]): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

const GROUNDS = ['--bg', '--surface', '--raised', '--hover', '--selected', '--sunken'];
const TONES = ['good', 'bad', 'warn', 'info', 'quiet'];

const TEXTS: [text: string, ground: string][] = [
  ...GROUNDS.flatMap((ground): [string, string][] =>
    ['--text', '--text-quiet', '--text-faint', '--accent-text', '--bad'].map((text) => [text, ground]),
  ),
  ...TONES.flatMap((tone): [string, string][] =>
    [`--${tone}-soft`, '--surface', '--bg', '--raised', '--hover', '--selected'].map((ground) => [`--${tone}`, ground]),
  ),
  ...TONES.map((tone): [string, string] => ['--text', `--${tone}-soft`]),
  ['--on-accent', '--accent'],
  ['--on-accent', '--accent-strong'],
  ['--accent-text', '--accent-soft'],
  ['--on-danger', '--danger'],
  ['--on-danger', '--danger-strong'],
  ['--on-mark', '--mark'],
  ['--terminal-text', '--terminal'],
  ['--terminal-text', '--terminal-selection'],
  ['--terminal-quiet', '--terminal'],
];

/** What is no text but must be seen: edges of fields, rings of focus, lines of charts. */
const SHAPES: [shape: string, ground: string][] = [
  ...['--bg', '--surface', '--raised'].flatMap((ground): [string, string][] => [
    ['--edge', ground],
    ['--focus', ground],
    ['--accent', ground],
  ]),
  ...TONES.map((tone): [string, string] => [`--${tone}-vivid`, '--surface']),
];

const LIGHT = block(':root');
const DARK = block(":root[data-theme='dark']");

describe.each([
  ['light', LIGHT],
  ['dark', DARK],
])('in the %s theme', (_, colours) => {
  const between = (one: string, other: string) => contrast(rgb(colours[one] ?? one), rgb(colours[other] ?? other));

  it.each(TEXTS)('%s can be read on %s', (text, ground) => {
    expect(between(text, ground)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(SHAPES)('%s can be seen on %s', (shape, ground) => {
    expect(between(shape, ground)).toBeGreaterThanOrEqual(3);
  });

  it('every colour of a terminal can be read', () => {
    const ansi = Object.keys(colours).filter((name) => name.startsWith('--ansi-'));
    expect(ansi).toHaveLength(16);
    expect(ansi.filter((name) => between(name, '--terminal') < 4.5)).toEqual([]);
  });
});

it('what the system asks for is the dark that can be chosen', () => {
  expect(block(":root:not([data-theme='light'], [data-theme='dark'])")).toEqual(DARK);
});

it('the dark theme leaves no colour light', () => {
  expect(Object.keys(DARK).sort()).toEqual(Object.keys(LIGHT).sort());
});

it('the contrast is that of the standard', () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21, 5);
  expect(contrast([119, 119, 119], [255, 255, 255])).toBeCloseTo(4.48, 2);
});
