/** Milliseconds within which the keys of a sequence follow each other. */
const PATIENCE = 1200;

type Key = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'shiftKey'>;

/**
 * How shortcuts write a key: `c`, `?`, `Escape`, `Mod+K`, `Mod+Shift+L`. `Mod` is Cmd on a Mac and Ctrl elsewhere. What a letter needs
 * Shift for is in the letter, unless `Mod` is held. Undefined for what no shortcut is made of.
 */
export function strokeOf(event: Key, mac: boolean): string | undefined {
  const { key, altKey: alt, shiftKey: shift } = event;
  const [mod, other] = mac ? [event.metaKey, event.ctrlKey] : [event.ctrlKey, event.metaKey];
  if (other || ['Control', 'Meta', 'Alt', 'Shift', 'Dead', 'Process', 'Unidentified'].includes(key)) return undefined;
  // Wherever a keyboard has its plus and minus, they are these.
  if (mod && !alt && ['+', '='].includes(key)) return 'Mod++';
  if (mod && !alt && ['-', '_'].includes(key)) return 'Mod+-';
  const letter = [...key].length === 1;
  const held = [mod && 'Mod', alt && 'Alt', shift && (!letter || mod) && 'Shift'].filter((one) => one !== false);
  return [...held, letter && mod ? key.toUpperCase() : key].join('+');
}

/** Puts keys that follow each other together into the shortcut that they make. */
export class Sequence {
  #strokes: string[] = [];
  #at = -Infinity;

  /** The shortcut that `stroke` completes, of those there are; undefined while it completes none. */
  press(stroke: string, at: number, shortcuts: readonly string[]): string | undefined {
    const before = at - this.#at <= PATIENCE ? this.#strokes : [];
    this.#at = at;
    // What does not go on with what was begun may begin something itself.
    for (const strokes of before.length > 0 ? [[...before, stroke], [stroke]] : [[stroke]]) {
      const typed = strokes.join(' ');
      if (shortcuts.includes(typed)) {
        this.#strokes = [];
        return typed;
      }
      if (shortcuts.some((one) => one.startsWith(`${typed} `))) {
        this.#strokes = strokes;
        return undefined;
      }
    }
    this.#strokes = [];
    return undefined;
  }
}

/** The keys of a shortcut as they are written on the keyboard: those pressed together in a list of their own. */
export function caps(shortcut: string, mac: boolean): string[][] {
  const names: Record<string, string> = mac
    ? { Mod: '⌘', Shift: '⇧', Alt: '⌥' }
    : { Mod: 'Ctrl', Shift: 'Shift', Alt: 'Alt' };
  return shortcut.split(' ').map((stroke) => {
    // `+` itself is a key too.
    const parts = stroke.endsWith('+') ? [...stroke.slice(0, -1).split('+').slice(0, -1), '+'] : stroke.split('+');
    return parts.map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part));
  });
}

/** For `aria-keyshortcuts`; undefined for sequences, which it has no way to write. */
export function aria(shortcut: string, mac: boolean): string | undefined {
  if (shortcut.includes(' ')) return undefined;
  // `+` itself is called so, since it joins keys.
  return shortcut.replace('Mod', mac ? 'Meta' : 'Control').replace(/\+\+$/, '+Plus');
}

export function isMac(platform: string): boolean {
  return /^(Mac|iPhone|iPad)/.test(platform);
}
