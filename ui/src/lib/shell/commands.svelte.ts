import { SvelteSet } from 'svelte/reactivity';
import type { IconName } from '$lib/kit/icons';

/** Something that can be done from the palette. */
export type Command = {
  id: string;
  /** Asked for when it is shown, so that it speaks the language of then. */
  title: () => string;
  /** More words that find it. */
  keywords?: string;
  icon?: IconName;
  /** Keys that do it anywhere: `g c` one after the other, `Mod+Shift+L` together (`Mod` is Cmd on a Mac, Ctrl elsewhere). */
  shortcut?: string;
  run: () => void;
  /** Left out of the palette, and its keys do nothing, while this is false. */
  enabled?: () => boolean;
};

const registered = new SvelteSet<readonly Command[]>();

/** Offers commands until the function that it gives is called: `$effect(() => register([...]))`. */
export function register(commands: Command[]): () => void {
  registered.add(commands);
  return () => registered.delete(commands);
}

/** What can be done now. Of two with one ID the later one counts: a page may put its own in place of the shell's. */
export function commands(): Command[] {
  const byId = new Map<string, Command>();
  for (const command of [...registered].flat()) byId.set(command.id, command);
  return [...byId.values()].filter((command) => command.enabled?.() ?? true);
}
