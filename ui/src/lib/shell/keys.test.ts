import { describe, expect, it } from 'vitest';
import { aria, caps, Sequence, strokeOf } from './keys';

const key = (key: string, held: Partial<Record<'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey', boolean>> = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  ...held,
});

describe('strokeOf', () => {
  it('writes keys as shortcuts do', () => {
    expect(strokeOf(key('c'), false)).toBe('c');
    expect(strokeOf(key('?', { shiftKey: true }), false)).toBe('?');
    expect(strokeOf(key('k', { ctrlKey: true }), false)).toBe('Mod+K');
    expect(strokeOf(key('L', { ctrlKey: true, shiftKey: true }), false)).toBe('Mod+Shift+L');
    expect(strokeOf(key('Enter', { shiftKey: true }), false)).toBe('Shift+Enter');
  });

  it('takes plus and minus from wherever they are', () => {
    for (const [name, shiftKey] of [
      ['+', false],
      ['+', true],
      ['=', false],
    ] as const)
      expect(strokeOf(key(name, { ctrlKey: true, shiftKey }), false)).toBe('Mod++');
    expect(strokeOf(key('-', { ctrlKey: true }), false)).toBe('Mod+-');
    expect(strokeOf(key('_', { ctrlKey: true, shiftKey: true }), false)).toBe('Mod+-');
    expect(strokeOf(key('0', { ctrlKey: true }), false)).toBe('Mod+0');
  });

  it('takes Cmd on a Mac and leaves Ctrl to terminals there', () => {
    expect(strokeOf(key('k', { metaKey: true }), true)).toBe('Mod+K');
    expect(strokeOf(key('k', { ctrlKey: true }), true)).toBeUndefined();
    expect(strokeOf(key('k', { metaKey: true }), false)).toBeUndefined();
  });

  it('makes nothing of keys that are only held, or of what an input method does', () => {
    for (const name of ['Shift', 'Control', 'Process', 'Dead']) expect(strokeOf(key(name), false)).toBeUndefined();
  });
});

describe('Sequence', () => {
  const SHORTCUTS = ['g c', 'g i', '/', 'Mod+K', 'i'];

  it('waits for the rest of a sequence', () => {
    const keys = new Sequence();
    expect(keys.press('g', 0, SHORTCUTS)).toBeUndefined();
    expect(keys.press('c', 300, SHORTCUTS)).toBe('g c');
    expect(keys.press('c', 400, SHORTCUTS)).toBeUndefined();
  });

  it('prefers the sequence to the single key that ends it', () => {
    const keys = new Sequence();
    keys.press('g', 0, SHORTCUTS);
    expect(keys.press('i', 100, SHORTCUTS)).toBe('g i');
    expect(keys.press('i', 200, SHORTCUTS)).toBe('i');
  });

  it('forgets what was begun long ago', () => {
    const keys = new Sequence();
    keys.press('g', 0, SHORTCUTS);
    expect(keys.press('i', 5000, SHORTCUTS)).toBe('i');
  });

  it('lets what does not go on begin anew', () => {
    const keys = new Sequence();
    keys.press('g', 0, SHORTCUTS);
    expect(keys.press('/', 100, SHORTCUTS)).toBe('/');
    keys.press('g', 200, SHORTCUTS);
    keys.press('g', 300, SHORTCUTS);
    expect(keys.press('c', 400, SHORTCUTS)).toBe('g c');
  });
});

it('names keys as they are written on the keyboard', () => {
  expect(caps('g c', false)).toEqual([['G'], ['C']]);
  expect(caps('Mod+K', false)).toEqual([['Ctrl', 'K']]);
  expect(caps('Mod+K', true)).toEqual([['⌘', 'K']]);
  expect(caps('Mod++', false)).toEqual([['Ctrl', '+']]);
  expect(caps('+', false)).toEqual([['+']]);
});

it('tells screen readers of keys pressed together', () => {
  expect(aria('Mod+K', false)).toBe('Control+K');
  expect(aria('Mod+K', true)).toBe('Meta+K');
  expect(aria('Mod++', false)).toBe('Control+Plus');
  expect(aria('g c', false)).toBeUndefined();
});
