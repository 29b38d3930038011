import type { Check, Listed, Snapshot, Unreadable } from '$lib/api/generated/daemon';
import type { Backend } from './backend';

/** What the pages stand on. */
export interface Host {
  engine: Backend;
  /**
   * The daemon of this user, which owns the machine: HTTP like the engine's, on a socket of its own (`app/host/src/daemon/protocol.rs`,
   * `lib/api/daemon.ts`). Undefined where there is an engine alone, as for pages in a browser over a native engine.
   */
  daemon?: Backend;
  /** What only a program on this computer can do; undefined in a browser. */
  desktop?: Desktop;
}

export interface Desktop {
  /** Looks at all that a machine needs; works without daemon and machine. */
  check(): Promise<Check[]>;
  /** Writes an archive for whoever helps, with the checks, settings and logs; resolves with its path. */
  archive(): Promise<string>;
  /** Opens the quickstart terminal: `berth terminal` in the user's own terminal program. */
  openTerminal(): Promise<void>;
  /** Ends the program, which asks first whether a machine that runs goes on. */
  quit(): Promise<void>;
  machines: Machines;
  preferences(): Promise<Preferences>;
  /** Changes what is named; resolves with all of them as they are then. */
  setPreferences(change: Partial<Preferences>): Promise<Preferences>;
}

/** What the user chose for the window; what concerns the machine is a setting of the daemon. */
export type Preferences = {
  /** The program stays in the tray when its window is closed. */
  closeToTray: boolean;
  /** Whether a container that fails and a disk that fills are told by the system's notifications. */
  notifications: boolean;
  /** The terminal program of the quickstart terminal, a name or a path; empty: the first one that is there. */
  terminal: string;
  startAtLogin: boolean;
};

/** All machines of the user, and their snapshots: files, which no daemon owns. What is refused is an error with the program's words. */
export interface Machines {
  list(): Promise<AllMachines>;
  create(name: string, sizes: Sizes): Promise<void>;
  /** For the command line and for this window: what its pages stand on from then on. */
  use(name: string): Promise<Host>;
  clone(source: string, name: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Into a file that the user is asked for; undefined when they name none. */
  export(name: string): Promise<Exported | undefined>;
  /** Of a file that the user is asked for; false when they choose none. */
  import(name: string): Promise<boolean>;
  snapshots(machine: string): Promise<Snapshot[]>;
  makeSnapshot(machine: string, name: string): Promise<Snapshot>;
  restoreSnapshot(machine: string, name: string): Promise<void>;
  removeSnapshot(machine: string, name: string): Promise<void>;
}

export type AllMachines = {
  /** The one that this window shows; the command line may have been told to use another since. */
  shown: string;
  machines: Listed[];
  unreadable: Unreadable[];
};

/** What is not said is as it is for every new machine. */
export type Sizes = { cpus?: number; memory_mib?: number; disk_gib?: number };

export type Exported = { file: string; bytes: number };
