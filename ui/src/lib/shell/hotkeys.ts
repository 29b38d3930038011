import { commands } from './commands.svelte';
import { isMac, Sequence, strokeOf } from './keys';

export const MAC = isMac(typeof navigator === 'undefined' ? '' : navigator.platform);

/** Runs the commands whose shortcuts are pressed, until the function that it gives is called. */
export function listen(): () => void {
  const sequence = new Sequence();
  const pressed = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    const stroke = strokeOf(event, MAC);
    if (stroke === undefined || !free(event, stroke)) return;
    const able = commands().filter((command) => command.shortcut !== undefined);
    const shortcut = sequence.press(
      stroke,
      event.timeStamp,
      able.map((command) => command.shortcut!),
    );
    if (shortcut === undefined) return;
    event.preventDefault();
    able.findLast((command) => command.shortcut === shortcut)!.run();
  };
  addEventListener('keydown', pressed);
  return () => removeEventListener('keydown', pressed);
}

/** Whether a key is for the whole window, where the focus is now. */
function free(event: KeyboardEvent, stroke: string): boolean {
  const target = event.target instanceof Element ? event.target : undefined;
  // A terminal gets every key that its programs may want.
  if (target?.closest('.xterm')) return MAC && stroke.startsWith('Mod+');
  if (stroke.startsWith('Mod+')) return true;
  if (target?.closest('input, textarea, select, [contenteditable]:not([contenteditable=false])')) return false;
  // What is behind a dialog is not reached by keys either.
  return document.querySelector('dialog[open]') === null;
}
