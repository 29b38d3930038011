import type { AllMachines, Machines } from '$lib/backend/host';
import type { Listed, Snapshot } from '$lib/api/generated/daemon';
import { act } from '$lib/kit/act';

/** How often it is looked what other machines do; nobody tells of them. */
const AGAIN = 3000;

/** Whether a machine is stopped, so that its files may be copied. */
export function atRest({ phase }: Pick<Listed, 'phase'>): boolean {
  return phase === 'stopped' || phase === 'failed';
}

const known = new WeakMap<Machines, All>();

/** The one of the window: what is being done goes on while its page is left. */
export function allOf(machines: Machines): All {
  const all = known.get(machines) ?? new All(machines);
  known.set(machines, all);
  return all;
}

/** All machines of the user, as they are listed, and what is being done to one of them. */
export class All {
  list = $state.raw<AllMachines | undefined>();
  failure = $state.raw<unknown>();
  /** What goes on, in words for a person. One thing at a time: it is disks that are copied. */
  doing = $state<string>();
  /** Snapshots of the machine that is looked at. */
  snapshots = $state.raw<readonly Snapshot[] | undefined>();
  snapshotsFailure = $state.raw<unknown>();
  /** Of which machine they are, and how often they were asked for. */
  #lookedAt: string | undefined;
  #looks = 0;

  constructor(readonly machines: Machines) {}

  get names(): string[] {
    const { machines = [], unreadable = [] } = this.list ?? {};
    return [...machines, ...unreadable].map(({ name }) => name);
  }

  named(name: string): Listed | undefined {
    return this.list?.machines.find((one) => one.name === name);
  }

  async look(): Promise<void> {
    try {
      this.list = await this.machines.list();
      this.failure = undefined;
    } catch (error) {
      this.failure = error;
    }
  }

  /** Looks now and again until the function that it gives is called. */
  follow(): () => void {
    let ended = false;
    let timer: ReturnType<typeof setTimeout>;
    const round = async () => {
      if (!document.hidden) await this.look();
      if (!ended) timer = setTimeout(() => void round(), AGAIN);
    };
    void round();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }

  async lookAt(machine: string): Promise<void> {
    const look = (this.#looks += 1);
    if (this.#lookedAt !== machine) {
      // Nothing of another machine stands below this one's name.
      this.#lookedAt = machine;
      this.snapshots = undefined;
      this.snapshotsFailure = undefined;
    }
    let snapshots: Snapshot[] | undefined;
    let failure: unknown;
    try {
      snapshots = await this.machines.snapshots(machine);
    } catch (error) {
      failure = error;
    }
    // Answers come in any order.
    if (look !== this.#looks) return;
    this.snapshots = snapshots;
    this.snapshotsFailure = failure;
  }

  /** Does one thing, then looks again; a failure is told to the person and gives undefined. */
  async do<T>(doing: string, job: () => Promise<T>): Promise<{ done: T } | undefined> {
    if (this.doing !== undefined) return undefined;
    this.doing = doing;
    const done = await act(doing, async () => ({ done: await job() }));
    this.doing = undefined;
    await this.look();
    return done;
  }
}
