import type { IconName } from './icons';

export type MenuItem =
  | {
      label: string;
      icon?: IconName;
      danger?: boolean;
      disabled?: boolean;
      /** Of what can be on or off. */
      checked?: boolean;
      /** A key that does the same. */
      shortcut?: string;
      onselect: () => void;
    }
  | 'separator';

type Box = { left: number; top: number; right: number; bottom: number };
type Size = { width: number; height: number };

const GAP = 4;
const EDGE = 8;

/** Where a menu of `size` goes that belongs to `anchor`: below and flush right, over it or flush left where that does not fit. */
export function beside(anchor: Box, size: Size, screen: Size): { left: number; top: number } {
  const below = anchor.bottom + GAP;
  const above = anchor.top - GAP - size.height;
  const top = below + size.height <= screen.height - EDGE || above < EDGE ? below : above;
  const flushRight = anchor.right - size.width;
  const left = flushRight >= EDGE ? flushRight : anchor.left;
  return {
    left: within(left, screen.width - size.width - EDGE),
    top: within(top, screen.height - size.height - EDGE),
  };
}

function within(value: number, most: number): number {
  return Math.max(EDGE, Math.min(value, most));
}

/** The item, from `from` on and around, whose label begins with what was typed; -1 if none does. */
export function typedAhead(labels: (string | undefined)[], typed: string, from: number): number {
  const wanted = typed.toLocaleLowerCase();
  for (let step = 0; step < labels.length; step += 1) {
    const at = (from + step) % labels.length;
    if (labels[at]?.toLocaleLowerCase().startsWith(wanted)) return at;
  }
  return -1;
}
