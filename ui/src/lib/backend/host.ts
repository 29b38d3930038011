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
  /** Looks at all that a machine needs and writes an archive for whoever helps; works without daemon and machine. */
  diagnose(): Promise<Diagnosis>;
  /** Opens the quickstart terminal: `berth terminal` in the user's own terminal program. */
  openTerminal(): Promise<void>;
}

/** What `berth diagnose` says (`app/host/src/diagnostics.rs`). */
export type Diagnosis = {
  checks: Check[];
  /** The file that was written. */
  archive: string;
};

export type Check = {
  name: string;
  /** `notice`: it works, perhaps worse than it could; `bad`: the machine cannot run like this. */
  verdict: 'good' | 'notice' | 'bad';
  /** What was found, and what to do about it if it is not good. */
  finding: string;
};
