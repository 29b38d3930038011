import type { MachineStatus, Progress, Step } from '$lib/api/generated/daemon';
import type { Clock } from '../core/clock';
import { STEPS } from './script';

/** What is published about the machine: one value, replaced as a whole, and how long the steps of a start take. */
export class Report {
  #next: MachineStatus = STOPPED;
  #told: MachineStatus = STOPPED;
  readonly #watchers = new Set<(status: MachineStatus) => void>();
  #began = 0;
  #active: { step: Step; since: number } | undefined;

  constructor(readonly clock: Clock) {}

  /** As it is told next. */
  get next(): MachineStatus {
    return this.#next;
  }

  /** As it was last told. */
  get status(): MachineStatus {
    return this.#told;
  }

  /** Calls back with each status that differs from the one before. */
  watch(watcher: (status: MachineStatus) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Changes what is told next. */
  patch(more: Partial<MachineStatus>): void {
    this.#next = { ...this.#next, ...more };
  }

  note(words: string): void {
    this.patch({ notes: [...this.#next.notes, words] });
  }

  tell(): void {
    if (JSON.stringify(this.#told) === JSON.stringify(this.#next)) return;
    this.#told = this.#next;
    for (const watcher of [...this.#watchers]) watcher(this.#told);
  }

  /** A start, with all of its steps to come. */
  reset(): void {
    this.#began = this.clock.now();
    this.#active = undefined;
    this.patch({
      steps: STEPS.map((step) => ({ step, progress: 'waiting', milliseconds: 0, doing: null })),
      start_milliseconds: null,
    });
  }

  /** `step` begins; later ones wait again, which matters when a boot is repeated. */
  begin(step: Step): void {
    this.#active = { step, since: this.clock.now() };
    const from = STEPS.indexOf(step);
    this.patch({
      steps: this.#next.steps.map((report, at) => {
        if (at < from) return { ...report, doing: null };
        return { ...report, doing: null, milliseconds: 0, progress: at === from ? 'active' : 'waiting' };
      }),
    });
  }

  /** The active step ends, if there is one. */
  end(progress: Progress): void {
    if (this.#active === undefined) return;
    const { step, since } = this.#active;
    this.#active = undefined;
    const milliseconds = Math.round(this.clock.now() - since);
    this.patch({
      steps: this.#next.steps.map((report) =>
        report.step === step ? { step, progress, milliseconds, doing: null } : { ...report, doing: null },
      ),
    });
  }

  doing(words: string | null): void {
    this.patch({
      steps: this.#next.steps.map((report) => (report.progress === 'active' ? { ...report, doing: words } : report)),
    });
    this.tell();
  }

  /** Since the start began. */
  total(): number {
    return Math.round(this.clock.now() - this.#began);
  }
}

const STOPPED: MachineStatus = {
  phase: 'stopped',
  steps: [],
  notes: [],
  failure: null,
  reset: null,
  has_disk: false,
  trouble: null,
  paused: false,
  accelerator: null,
  link: null,
  hypervisor: null,
  hypervisor_pid: null,
  image_version: null,
  guest_version: null,
  started_at: null,
  start_milliseconds: null,
};
