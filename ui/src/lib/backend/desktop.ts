import { invoke } from '@tauri-apps/api/core';
import type { Check } from '$lib/api/generated/daemon';
import type { Desktop, Host, Preferences } from './host';
import { Tauri } from './tauri';

/** What the desktop program gives its pages. */
export function desktopHost(): Host {
  return { engine: new Tauri('engine'), daemon: new Tauri('daemon'), desktop };
}

const desktop: Desktop = {
  check: () => ask<Check[]>('check'),
  archive: () => ask<string>('archive'),
  openTerminal: () => ask<void>('open_terminal'),
  quit: () => ask<void>('quit'),
  preferences: async () => shown(await ask<Wire>('preferences')),
  setPreferences: async (change) => shown(await ask<Wire>('set_preferences', { change: wire(change) })),
};

type Wire = { close_to_tray: boolean; notifications: boolean; terminal: string; start_at_login: boolean };

function shown(wire: Wire): Preferences {
  const { close_to_tray: closeToTray, notifications, terminal, start_at_login: startAtLogin } = wire;
  return { closeToTray, notifications, terminal, startAtLogin };
}

function wire(change: Partial<Preferences>): Partial<Wire> {
  const { closeToTray: close_to_tray, notifications, terminal, startAtLogin: start_at_login } = change;
  return { close_to_tray, notifications, terminal, start_at_login };
}

/** The program's answer; what it refuses with is an error with its words. */
async function ask<T>(command: string, argument?: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(command, argument);
  } catch (error) {
    const { message } = error as { message?: string };
    throw new Error(message ?? String(error), { cause: error });
  }
}
