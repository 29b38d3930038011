import type { Accelerator, MachineStatus, Step } from '$lib/api/generated/daemon';
import type { Clock } from '../core/clock';
import { conflict } from '../core/failure';
import { seconds } from '../core/time';
import { offered } from './accelerators';
import { speak, spoken } from './console';
import { Disk } from './disk';
import type { Logs } from './logs';
import { QEMU, VERSION } from './paths';
import { Report } from './report';
import { type Fate, type Script, QUICK, STEPS } from './script';
import type { Settings } from './settings/settings';
import { resetAfter, resetUnderWay } from './resets';
import { type Act, type Ask, after, begin, next, type State } from './state';

const CONSOLE_LINES = 20;

/** What becomes of what is in the machine. */
export interface Contents {
  /** The engine may be spoken to. */
  open(): void;
  /** It may not be any more. */
  shut(): void;
  /** Containers are asked to stop. */
  stop(): void;
  /** The guest is gone, and every connection with it. */
  end(): void;
  /** The engine has come up; with `renew` it brings the images back that ship with the machine. */
  boot(renew: boolean): void;
  /** All but named volumes goes. */
  clean(): void;
  erase(): void;
}

/** A simulated machine: it takes its time, says what it does, and ends as its script wants it. */
export class Machine {
  readonly report: Report;
  script: Script = QUICK;
  #state: State = { is: 'stopped' };
  readonly #disk = new Disk();
  #accelerators: Accelerator[] = [];
  #inForce: ReadonlyMap<string, string> | undefined;
  #timers: (() => void)[] = [];
  #pid = 4100;

  constructor(
    readonly clock: Clock,
    readonly settings: Settings,
    readonly logs: Logs,
    readonly contents: Contents,
  ) {
    this.report = new Report(clock);
  }

  get status(): MachineStatus {
    return this.report.status;
  }

  /** The settings that it was started with; undefined while there is none. */
  get inForce(): ReadonlyMap<string, string> | undefined {
    return this.#inForce;
  }

  /** Whether there is one, be it stopped. */
  get is(): boolean {
    return this.#disk.is || this.#state.is !== 'stopped';
  }

  /** Makes a request: the status that it led to, or a refusal where it cannot be. */
  ask(ask: Ask): MachineStatus {
    const found = next(this.#state, ask);
    if ('refused' in found) throw conflict(found.refused);
    if (ask.is === 'down' && this.#state.is === 'stopped') this.report.patch({ notes: [] });
    this.#go(found.state, found.act, { ask: ask.is });
    return this.status;
  }

  /** One that is not there now, and was once: its disk is. */
  ran(): void {
    this.#disk.prepare(Number(this.settings.get('disk_gib')));
    this.#disk.furnish();
    this.#show();
    this.report.tell();
  }

  /** One that runs since `ago` milliseconds. */
  runs(ago: number): void {
    this.ran();
    const { took } = this.script;
    const began = this.clock.now() - ago;
    spoken(this.logs, began);
    this.report.patch({
      steps: STEPS.map((step) => ({ step, progress: 'done', milliseconds: took[step], doing: null })),
      ...this.#booted(offered(this.settings)[0]!, began),
      guest_version: VERSION,
      start_milliseconds: STEPS.reduce((sum, step) => sum + took[step], 0),
    });
    this.#inForce = this.settings.ofAStart();
    this.#go({ is: 'running' });
  }

  /** Something keeps a machine that runs from serving, or no longer does. */
  trouble(words?: string): void {
    if (this.#state.is !== 'running') throw new Error(`a machine that is ${this.#state.is} has no trouble of its own`);
    this.report.patch({ trouble: words ?? null });
    if (words === undefined) this.contents.open();
    else this.contents.shut();
    this.report.tell();
  }

  /** It ends by itself, as when somebody ends QEMU. */
  dies(cause = 'QEMU ended: killed by signal 9'): void {
    this.#forgetTimers();
    this.contents.end();
    this.#fail({ cause }, null);
  }

  /** The guest's engine answers after its step had failed. */
  engineComes(): void {
    if (this.#state.is !== 'failed' || !this.#state.failure.alive) throw new Error('nobody waits for an engine');
    this.contents.boot(false);
    this.#run();
  }

  /** Has the next starts fail. */
  fail(fate: Fate): () => void {
    const own = { ...fate };
    const before = this.script.fate;
    this.script = { ...this.script, fate: own };
    return () => {
      if (this.script.fate === own) this.script = { ...this.script, fate: before };
    };
  }

  #go(state: State, act?: Act, { ask, removed = false }: { ask?: Ask['is']; removed?: boolean } = {}): void {
    if (state.is === 'stopping' && this.#state.is !== 'stopping') this.report.patch({ notes: [] });
    const reset = resetAfter({ from: this.#state, to: state, ask, removed }, this.report.next.reset);
    this.report.patch({ reset });
    this.#state = state;
    this.#show();
    if (act !== undefined) this.#act(act);
    // Who is told that it runs may speak to its engine at once.
    if (state.is === 'running') this.contents.open();
    else this.contents.shut();
    this.report.tell();
  }

  #act(act: Act): void {
    this.#forgetTimers();
    switch (act) {
      case 'start':
        return this.#start();
      case 'stop':
        this.contents.stop();
        return this.#later(this.script.stopping, () => this.#stopped());
      case 'give up':
        this.contents.end();
        if (this.#state.is === 'erasing') this.#act('erase');
        return;
      case 'clean':
        return this.#later(this.script.cleaning, () => this.#cleaned());
      case 'erase':
        return this.#later(this.script.erasing, () => this.#erased());
    }
  }

  #cleaned(): void {
    const stuck = this.script.stuck?.cleaning;
    if (stuck !== undefined) return this.#fail({ cause: stuck, alive: true }, null);
    this.contents.clean();
    this.#disk.strip();
    this.#go({ is: 'stopping', then: { is: 'start', purpose: 'use' } }, 'stop', { removed: true });
  }

  #stopped(): void {
    this.contents.end();
    this.logs.write('qemu', 'qemu-system-x86_64: terminating on guest shutdown');
    const then = this.#state.is === 'stopping' ? this.#state.then : ({ is: 'stay' } as const);
    const { state, act } = after(then);
    this.#go(state, act);
  }

  #erased(): void {
    const stuck = this.script.stuck?.erasing;
    if (stuck !== undefined) return this.#fail({ cause: stuck }, null);
    this.contents.erase();
    this.#disk.remove();
    if (this.#state.is === 'erasing' && this.#state.thenStart) {
      const { state, act } = begin('use');
      this.#go(state, act, { removed: true });
    } else this.#go({ is: 'stopped' }, undefined, { removed: true });
  }

  #start(): void {
    this.#inForce = undefined;
    this.#accelerators = offered(this.settings);
    this.report.patch({ notes: [] });
    this.report.reset();
    this.#step('check');
  }

  #step(step: Step): void {
    if (this.#state.is === 'starting') this.#state = { ...this.#state, step };
    this.report.begin(step);
    this.report.tell();
    const took = this.script.took[step];
    if (step === 'boot') {
      this.logs.renew('console');
      this.logs.renew('qemu');
    }
    if (step === 'link') this.#hear(took);
    if (step === 'engine') this.#timers.push(...speak(this.logs, this.clock, 'engine', took));
    this.#later(took, () => this.#stepEnded(step));
  }

  #stepEnded(step: Step): void {
    const { fate, fallback } = this.script;
    if (step === 'boot' && fallback !== undefined && this.#accelerators.length > 1) return this.#fallBack(fallback);
    if (fate?.step === step && fate.times !== 0) {
      if (fate.times !== undefined) fate.times -= 1;
      if (fate.console) this.logs.write('console', ...fate.console);
      return this.#fail(fate, step);
    }
    const shrinks = step === 'disk' ? this.#disk.prepare(Number(this.settings.get('disk_gib'))) : undefined;
    if (shrinks !== undefined) return this.#fail({ cause: shrinks }, step);
    this.report.end('done');
    if (step === 'check') {
      this.report.patch({ hypervisor: QEMU });
      this.#inForce = this.settings.ofAStart();
    }
    if (step === 'boot') this.report.patch(this.#booted(this.#accelerators[0]!, this.clock.now()));
    if (step === 'link') this.report.patch({ guest_version: VERSION });
    const following = STEPS[STEPS.indexOf(step) + 1];
    if (following !== undefined) return this.#step(following);
    this.contents.boot(!this.#disk.furnished);
    this.#disk.furnish();
    if (this.#state.is === 'starting' && this.#state.purpose === 'clean') return this.#go({ is: 'cleaning' }, 'clean');
    this.#run();
  }

  #run(): void {
    this.report.patch({ start_milliseconds: this.report.total() });
    this.#go({ is: 'running' });
  }

  #fallBack(cause: string): void {
    const [from, ...rest] = this.#accelerators;
    this.#accelerators = rest;
    this.logs.write('qemu', cause);
    this.report.note(`${from} cannot run the machine here (${cause}): using ${rest[0]} from now on`);
    this.#step('boot');
  }

  #fail({ cause, alive = false }: Pick<Fate, 'cause' | 'alive'>, step: Step | null): void {
    this.#forgetTimers();
    if (!alive) this.contents.end();
    const reset = resetUnderWay(this.#state);
    // Of a disk that cannot be removed its console knows nothing.
    const speaks = step === null ? reset?.keepVolumes !== false : STEPS.indexOf(step) >= STEPS.indexOf('boot');
    const console = speaks ? this.logs.last('console', CONSOLE_LINES) : [];
    const during = reset ? 'reset' : step === null ? 'run' : 'start';
    this.#go({ is: 'failed', failure: { during, step, cause, console, alive, unanswered: false } });
  }

  #booted(accelerator: Accelerator, at: number): Partial<MachineStatus> {
    this.#pid += 17;
    return {
      accelerator,
      hypervisor: QEMU,
      link: this.settings.get('link') === 'vsock' ? 'vsock' : 'serial',
      hypervisor_pid: this.#pid,
      image_version: VERSION,
      started_at: seconds(at),
    };
  }

  /** The guest boots: until it is up, its console is all that is heard of it. */
  #hear(took: number): void {
    this.#timers.push(...speak(this.logs, this.clock, 'guest', took));
    const words = this.#disk.furnished ? this.script.work?.words : 'formatting the data disk';
    if (words === undefined) return;
    const from = took * 0.4;
    this.#later(from, () => {
      this.logs.write('console', `berth-agent: ${words}`);
      this.report.doing(words);
    });
    this.#later(from + Math.min(this.script.work?.took ?? took / 3, took / 2), () => {
      this.logs.write('console', `berth-agent: done ${words}`);
      this.report.doing(null);
    });
  }

  /** What the state is on the outside. */
  #show(): void {
    const state = this.#state;
    const phase = state.is === 'cleaning' || state.is === 'erasing' ? 'resetting' : state.is;
    const there = state.is === 'failed' ? state.failure.alive : state.is !== 'stopped' && state.is !== 'erasing';
    const has_disk = this.#disk.is;
    this.report.patch({ phase, has_disk, failure: state.is === 'failed' ? state.failure : null });
    if (!there) this.#inForce = undefined;
    if (!there) this.report.patch({ trouble: null, hypervisor_pid: null, started_at: null, guest_version: null });
  }

  #later(ms: number, job: () => void): void {
    this.#timers.push(this.clock.after(ms, job));
  }

  /** What is under way goes no further. */
  #forgetTimers(): void {
    for (const cancel of this.#timers.splice(0)) cancel();
    this.report.end('failed');
  }
}
