// A chunk of its own: fetched when a terminal is opened first.
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import type { Size } from './session.svelte';
import { font, onTheme, theme } from './theme';

/** What a terminal draws and where keys are pressed. */
export type Screen = {
  size(): Size;
  write(bytes: Uint8Array): Promise<void>;
  clear(): void;
  focus(): void;
  /** Says what it is, for a screen reader. */
  tell(words: { label: string; describedBy: string }): void;
  close(): void;
};

export type Hands = {
  onInput(bytes: Uint8Array): void;
  onResize(size: Size): void;
  onCopy(text: string): void;
  /** The person leaves by keyboard: Tab is for what runs in the terminal. */
  onLeave(): void;
  /** For a screen reader. */
  label: string;
  /** The element that says which keys there are. */
  describedBy: string;
};

export function open(element: HTMLElement, hands: Hands): Screen {
  const terminal = new Terminal({
    ...font(),
    theme: theme(),
    cursorBlink: true,
    scrollback: 10_000,
    minimumContrastRatio: 4.5,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  terminal.open(element);
  const tell = ({ label, describedBy }: { label: string; describedBy: string }) => {
    terminal.textarea?.setAttribute('aria-label', label);
    terminal.textarea?.setAttribute('aria-describedby', describedBy);
  };
  tell(hands);
  const size = (): Size => ({ rows: terminal.rows, columns: terminal.cols });
  const refit = () => {
    // Without a box (another tab is shown) there is nothing to fit to.
    if (element.clientWidth > 0 && element.clientHeight > 0) fit.fit();
  };
  refit();

  const encoder = new TextEncoder();
  terminal.onData((text) => hands.onInput(encoder.encode(text)));
  // Mouse reports of old programs: bytes, not text.
  terminal.onBinary((text) => hands.onInput(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
  terminal.onResize(() => hands.onResize(size()));
  terminal.attachCustomKeyEventHandler((event) => !isOurs(event, terminal, hands));

  const sized = new ResizeObserver(refit);
  sized.observe(element);
  const stopTheme = onTheme(() => {
    terminal.options.theme = theme();
    Object.assign(terminal.options, font());
    refit();
  });

  return {
    size,
    write: (bytes) => new Promise((resolve) => terminal.write(bytes, resolve)),
    clear: () => terminal.reset(),
    focus: () => terminal.focus(),
    tell,
    close: () => {
      stopTheme();
      sized.disconnect();
      terminal.dispose();
    },
  };
}

/**
 * Keys that are the page's and not the container's. Ctrl-C copies while something is selected; with Shift it always does. To paste, the
 * key is left to the browser, whose paste event the terminal takes: that needs nobody's permission.
 */
function isOurs(event: KeyboardEvent, terminal: Terminal, hands: Hands): boolean {
  if (event.type !== 'keydown') return false;
  const key = event.key.toLowerCase();
  const control = event.ctrlKey && !event.altKey && !event.metaKey;
  const copies =
    (control && key === 'c' && (event.shiftKey || terminal.hasSelection())) || (control && key === 'insert');
  if (copies) {
    event.preventDefault();
    if (terminal.hasSelection()) {
      hands.onCopy(terminal.getSelection());
      terminal.clearSelection();
    }
    return true;
  }
  if (control && event.shiftKey && key === 'l') {
    event.preventDefault();
    hands.onLeave();
    return true;
  }
  if ((control && event.shiftKey && key === 'v') || (event.shiftKey && key === 'insert')) return true;
  // The palette, as everywhere.
  return (event.metaKey && key === 'k') || (control && event.shiftKey && key === 'k');
}
