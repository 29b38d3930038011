import type { Listed, Snapshot } from '$lib/api/generated/daemon';
import type { AllMachines, Exported, Host, Machines, Sizes } from '../../host';
import type { Clock } from '../core/clock';
import { seconds } from '../core/time';
import { FakeDaemon } from '../daemon/daemon';
import { FakeDesktop } from '../daemon/desktop';
import { onDisk } from '../daemon/guest';
import { paths } from '../daemon/paths';
import type { FakeEngine } from '../engine';
import { scene } from '../scenes';
import { type Kept, keep, put } from './disk';

const GIB = 1024 ** 3;
/** How long a copy of a disk takes. */
const COPYING = 700;
export const DEFAULT = 'default';

type Taken = { snapshot: Snapshot; kept: Kept };

/** A machine with the daemon that it has while somebody asks for one. */
interface One {
  name: string;
  engine: FakeEngine;
  daemon: FakeDaemon;
  snapshots: Map<string, Taken>;
}

/** The machines of the user, as `app/src/machines.rs` and `app/host/src/machines` have them, in their words. */
export class FakeMachines implements Machines {
  /** What an import takes for the file that was chosen; undefined: the dialog is closed without one. */
  chosen: string | undefined;
  /** What exports wrote. */
  readonly files = new Map<string, { kept: Kept; gib: string }>();
  readonly #all = new Map<string, One>();
  readonly #clock: Clock;
  #shown = DEFAULT;
  #used = DEFAULT;

  constructor(engine: FakeEngine, daemon: FakeDaemon) {
    this.#clock = engine.world.clock;
    this.#all.set(DEFAULT, { name: DEFAULT, engine, daemon, snapshots: new Map() });
  }

  /** One that was there before, and ran. */
  had(name: string, sizes: Sizes): void {
    this.#make(name, sizes).daemon.machine.ran();
  }

  /** A snapshot from before, of what is there now. */
  tookBefore(machine: string, name: string, ago: number): void {
    const one = this.#find(machine);
    one.snapshots.set(name, this.#taken(one, name, this.#clock.now() - ago));
  }

  get shown(): One {
    return this.#find(this.#shown);
  }

  async list(): Promise<AllMachines> {
    const names = [...this.#all.keys()].sort(
      (a, b) => Number(b === DEFAULT) - Number(a === DEFAULT) || (a < b ? -1 : 1),
    );
    return { shown: this.#shown, machines: names.map((name) => this.#listed(this.#find(name))), unreadable: [] };
  }

  async create(name: string, sizes: Sizes): Promise<void> {
    this.#make(name, sizes);
  }

  async use(name: string): Promise<Host> {
    const { engine, daemon } = this.#find(name);
    this.#used = name;
    this.#shown = name;
    return { engine, daemon, desktop: new FakeDesktop(this, this.#clock) };
  }

  async clone(source: string, name: string): Promise<void> {
    const from = this.#atRest(source);
    const made = this.#make(name, {});
    for (const entry of from.daemon.settings.list())
      if (!OF_ONE_MACHINE.includes(entry.name))
        made.daemon.settings.set(entry.name, from.daemon.settings.get(entry.name));
    await this.#takes(COPYING);
    if (from.daemon.machine.is) this.#fill(made, keep(from.engine.world));
  }

  async remove(name: string): Promise<void> {
    if (name === DEFAULT) throw new Error('the default machine cannot be removed: `berth reset` empties it');
    if (name === this.#shown) throw new Error(`this window shows the machine ${name}: use another one first`);
    this.#atRest(name);
    if (this.#used === name) this.#used = DEFAULT;
    this.#all.delete(name);
  }

  async export(name: string): Promise<Exported | undefined> {
    const { engine, daemon } = this.#withDisk(name);
    await this.#takes(COPYING);
    const file = `${paths.home}/Downloads/berth-${name}.tar.zst`;
    this.files.set(file, { kept: keep(engine.world), gib: daemon.settings.get('disk_gib') });
    this.chosen = file;
    return { file, bytes: Math.round(onDisk(engine.world) * 0.4) };
  }

  async import(name: string): Promise<boolean> {
    plain(name);
    if (this.chosen === undefined) return false;
    const file = this.files.get(this.chosen);
    if (file === undefined)
      throw new Error(`${this.chosen} is no machine that can be imported: Unknown frame descriptor`);
    const made = this.#make(name, { disk_gib: Number(file.gib) });
    await this.#takes(COPYING);
    this.#fill(made, file.kept);
    return true;
  }

  async snapshots(machine: string): Promise<Snapshot[]> {
    return [...this.#find(machine).snapshots.values()].map(({ snapshot }) => snapshot);
  }

  async makeSnapshot(machine: string, name: string): Promise<Snapshot> {
    if (!isPlain(name))
      throw new Error(
        `\`${name}\` is no name of a snapshot: use up to 24 small letters, digits and \`-\`, a letter first`,
      );
    const one = this.#atRest(machine);
    if (one.snapshots.has(name))
      throw new Error(`there is a snapshot \`${name}\` already: \`berth snapshot rm ${name}\` removes it`);
    this.#withDisk(machine);
    await this.#takes(COPYING);
    const taken = this.#taken(one, name, this.#clock.now());
    one.snapshots.set(name, taken);
    return taken.snapshot;
  }

  async restoreSnapshot(machine: string, name: string): Promise<void> {
    const one = this.#atRest(machine);
    const { kept } = this.#snapshot(one, name);
    await this.#takes(COPYING);
    this.#fill(one, kept);
  }

  async removeSnapshot(machine: string, name: string): Promise<void> {
    const one = this.#find(machine);
    this.#snapshot(one, name);
    one.snapshots.delete(name);
  }

  #listed({ name, engine, daemon }: One): Listed {
    const { machine, settings } = daemon;
    return {
      name,
      in_use: name === this.#used,
      phase: machine.status.phase,
      cpus: Number(settings.get('cpus')),
      memory_mib: Number(settings.get('memory_mib')),
      disk_gib: Number(settings.get('disk_gib')),
      disk_held: machine.is ? onDisk(engine.world) : 0,
      context: name === DEFAULT ? 'berth' : `berth-${name}`,
    };
  }

  /** As a new one: nothing in it, and no disk before its first start. */
  #make(name: string, sizes: Sizes): One {
    plain(name);
    if (this.#all.has(name))
      throw new Error(
        `there is a machine \`${name}\` already: \`berth machine rm ${name}\` removes it with all that is in it`,
      );
    const engine = scene('empty', { clock: this.#clock, seed: this.#all.size + 2 });
    const daemon = new FakeDaemon(engine);
    for (const [key, value] of Object.entries(sizes)) if (value !== undefined) daemon.settings.set(key, String(value));
    const one: One = { name, engine, daemon, snapshots: new Map() };
    this.#all.set(name, one);
    return one;
  }

  #fill(one: One, kept: Kept): void {
    put(kept, one.engine.world);
    one.daemon.machine.ran();
  }

  #find(name: string): One {
    const one = this.#all.get(name);
    if (one === undefined)
      throw new Error(
        `there is no machine \`${name}\`: \`berth machine list\` shows them all, \`berth machine create ${name}\` makes it`,
      );
    return one;
  }

  /** One that is stopped; its daemon makes way. */
  #atRest(name: string): One {
    const one = this.#find(name);
    const { phase, failure } = one.daemon.machine.status;
    if (phase !== 'stopped' && (phase !== 'failed' || failure?.alive === true))
      throw new Error(`the machine ${name} is not stopped: run \`berth --machine ${name} down\` first`);
    one.daemon.end();
    return one;
  }

  #withDisk(name: string): One {
    const one = this.#atRest(name);
    if (!one.daemon.machine.is)
      throw new Error(
        `there is nothing to copy: the machine has no disk yet, which its first start makes (${paths.data}/disk.raw)`,
      );
    return one;
  }

  #snapshot({ snapshots }: One, name: string): Taken {
    const found = snapshots.get(name);
    if (found === undefined)
      throw new Error(`there is no snapshot \`${name}\`: \`berth snapshot list\` shows those that are there`);
    return found;
  }

  #taken({ engine, daemon }: One, name: string, at: number): Taken {
    const size = Number(daemon.settings.get('disk_gib')) * GIB;
    const snapshot: Snapshot = { name, made_at: seconds(at), size, held: onDisk(engine.world) };
    return { snapshot, kept: keep(engine.world) };
  }

  #takes(ms: number): Promise<void> {
    return new Promise((done) => void this.#clock.after(ms, done));
  }
}

/** What a copy does not take along. */
const OF_ONE_MACHINE = ['listen', 'var_run_docker_sock', 'web_port'];

function isPlain(name: string): boolean {
  return /^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) && name.length <= 24;
}

function plain(name: string): void {
  if (!isPlain(name))
    throw new Error(
      `\`${name}\` is no name of a machine: up to 24 small letters, digits and \`-\`, with a letter first and no \`-\` at the end`,
    );
}
