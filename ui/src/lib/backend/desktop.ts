import { invoke } from '@tauri-apps/api/core';
import type { Check, Snapshot } from '$lib/api/generated/daemon';
import type { AllMachines, Desktop, Exported, Host, Machines, Preferences } from './host';
import { Tauri } from './tauri';

/** What the desktop program gives its pages, which are of the machine that it shows. */
export async function desktopHost(): Promise<Host> {
  return hostOf(await ask<string>('shown_machine'));
}

function hostOf(machine: string): Host {
  return { engine: new Tauri('engine', machine), daemon: new Tauri('daemon', machine), desktop };
}

const machines: Machines = {
  list: () => ask<AllMachines>('machines'),
  create: (name, sizes) => ask<void>('create_machine', { name, sizes }),
  use: async (name) => {
    await ask<void>('use_machine', { name });
    return hostOf(name);
  },
  clone: (source, name) => ask<void>('clone_machine', { source, name }),
  remove: (name) => ask<void>('remove_machine', { name }),
  export: async (name) => (await ask<Exported | null>('export_machine', { name })) ?? undefined,
  import: (name) => ask<boolean>('import_machine', { name }),
  snapshots: (machine) => ask<Snapshot[]>('snapshots', { machine }),
  makeSnapshot: (machine, name) => ask<Snapshot>('make_snapshot', { machine, name }),
  restoreSnapshot: (machine, name) => ask<void>('restore_snapshot', { machine, name }),
  removeSnapshot: (machine, name) => ask<void>('remove_snapshot', { machine, name }),
};

const desktop: Desktop = {
  machines,
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
