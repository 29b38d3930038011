import { getContext, setContext } from 'svelte';
import * as api from '$lib/api/daemon';
import type { Failure, MachineStatus, Phase, StepReport } from '$lib/api/generated/daemon';
import { Unreachable, type Backend } from '$lib/backend/backend';
import { now } from '$lib/kit/clock.svelte';
import { backoff, STEADY } from './backoff';

/** `unknown`: a machine may run that no daemon looks after. */
export type Standing = Phase | 'unknown';

/** What was asked of the machine and is not settled yet. */
export type Asked = api.Verb | 'reset';

/**
 * The machine as its daemon tells, followed as `Live` follows the engine.
 *
 *                 first status             stream ends
 *   connecting -----------------> connected ----------> absent
 *        \                            ^                 |    ^
 *         \ no answer                 | first status    |    | no answer, wait
 *          +--------------------------+-----------------+----+
 *
 * The first look starts a daemon where there is a machine, as the command line does, which then takes over what an earlier one left
 * running. Later ones start none: they would bring one back that somebody ended, and one that dies at once again and again. What the
 * daemon last said tells whether a machine may run without it.
 */
export class Machine {
  reach = $state<'connecting' | 'connected' | 'absent'>('connecting');
  /** What the daemon said last; undefined while there is none. */
  status = $state.raw<MachineStatus | undefined>();
  /** Why there is no daemon to be heard. */
  why = $state.raw<Error | undefined>();
  asked = $state<Asked | undefined>();
  /** There may be a machine that runs. */
  #there = $state(false);
  /** Whether the next look is to start a daemon. */
  #starting = true;
  /** A look that starts a daemon is under way. */
  looking = $state(false);

  readonly #daemon: Backend;
  readonly #life = new AbortController();
  /** Since when the active step is at work, by this computer's clock: what the daemon says of it is from when it said so. */
  #active: { step: StepReport['step']; since: number } | undefined;
  #wake: (() => void) | undefined;

  constructor(daemon: Backend) {
    this.#daemon = daemon;
  }

  /** Undefined only until it is known whether there is a daemon. */
  readonly phase: Standing | undefined = $derived(
    this.status?.phase ?? (this.reach === 'connecting' ? undefined : this.#there ? 'unknown' : 'stopped'),
  );

  /** Whether it stands still until somebody asks for something. */
  readonly asleep: boolean = $derived(this.phase === 'running' && this.status?.paused === true);

  /** Whether it failed and is there all the same. */
  readonly alive: boolean = $derived(this.phase === 'failed' && this.status?.failure?.alive === true);

  /** Whether it is there and takes no start, only what ends it first. */
  readonly stranded: boolean = $derived(this.alive && !takesStart(this.status!.failure!));

  /** Follows the daemon until the function that it gives is called. */
  start(): () => void {
    void this.#follow();
    const seen = () => {
      if (!document.hidden && this.reach === 'absent') this.retry();
    };
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      this.#life.abort();
      this.#wake?.();
    };
  }

  /** Looks for the daemon now instead of later. */
  retry(): void {
    this.#wake?.();
  }

  /** As `retry`, with a daemon that is started for it where there is a machine. */
  look(): void {
    this.#starting = true;
    this.retry();
  }

  /** Milliseconds that a step has taken; of the active one it grows while it is shown. */
  took(report: StepReport): number {
    if (report.progress !== 'active' || this.#active?.step !== report.step) return report.milliseconds;
    // Read for its tick: the engine's clock has no say in this.
    now();
    return Math.max(report.milliseconds, Date.now() - this.#active.since);
  }

  /**
   * Asks for a change and follows it until it is settled; gives the last status. Rejects when the daemon refuses or cannot be had; that the
   * machine failed is no rejection but a status.
   */
  change(verb: api.Verb): Promise<MachineStatus | undefined> {
    return this.#ask(verb, api.change(this.#daemon, verb, { signal: this.#life.signal }));
  }

  /** As `change`; how it came out is in the status' `reset`. */
  reset(keepVolumes: boolean): Promise<MachineStatus | undefined> {
    return this.#ask('reset', api.reset(this.#daemon, { keepVolumes, signal: this.#life.signal }));
  }

  async #ask(asked: Asked, statuses: AsyncIterable<MachineStatus>): Promise<MachineStatus | undefined> {
    this.asked = asked;
    let last: MachineStatus | undefined;
    try {
      for await (const status of statuses) {
        // A daemon that was started for this is not followed yet; one that is, says the same there.
        if (this.reach !== 'connected') {
          this.#take(status);
          this.retry();
        }
        last = status;
      }
      if (last && !SETTLED.includes(last.phase) && !this.#life.signal.aborted) throw new Unreachable(BROKE_OFF);
      return last;
    } finally {
      // A later question may be on its way: stopping what starts is one.
      if (this.asked === asked) {
        this.asked = undefined;
        if (this.reach === 'absent') this.status = undefined;
      }
    }
  }

  #take(status: MachineStatus): void {
    const active = status.steps.find((report) => report.progress === 'active');
    if (active === undefined) this.#active = undefined;
    else if (this.#active?.step !== active.step) {
      this.#active = { step: active.step, since: Date.now() - active.milliseconds };
    }
    this.status = status;
    this.#there = status.phase !== 'stopped' && (status.phase !== 'failed' || status.failure?.alive === true);
  }

  async #follow(): Promise<void> {
    let broken = 0;
    while (!this.#life.signal.aborted) {
      let opened: number | undefined;
      const start = this.#starting;
      this.#starting = false;
      this.looking = start;
      try {
        for await (const status of api.watch(this.#daemon, { start, signal: this.#life.signal })) {
          opened ??= performance.now();
          this.reach = 'connected';
          this.looking = false;
          this.why = undefined;
          this.#take(status);
        }
        this.why = new Unreachable('the daemon ended the connection');
      } catch (error) {
        this.why = error instanceof Error ? error : new Error(String(error));
        // Where there is no machine none is started, and where it cannot be started it says why.
        if (start && opened === undefined) this.#there = !(error instanceof Unreachable);
      }
      if (this.#life.signal.aborted) return;
      this.looking = false;
      this.reach = 'absent';
      // What it said holds no longer, unless something that was asked of it goes on.
      if (this.asked === undefined) this.status = undefined;
      if (opened !== undefined && performance.now() - opened > STEADY) broken = 0;
      await this.#pause(backoff(broken++));
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const SETTLED: readonly Phase[] = ['stopped', 'running', 'failed'];
const BROKE_OFF = 'the daemon ended before the machine had come to rest';

/** Whether a start is taken: of what is not there, and of what only did not answer, which is looked for again. */
export function takesStart({ alive, unanswered }: Pick<Failure, 'alive' | 'unanswered'>): boolean {
  return !alive || unanswered;
}

const KEY = Symbol('machine');

export function provideMachine(machine: Machine | undefined): void {
  setContext(KEY, machine);
}

/** The machine; undefined where there is an engine alone. To be asked for while a component is being made. */
export function machine(): Machine | undefined {
  return getContext<Machine | undefined>(KEY);
}
