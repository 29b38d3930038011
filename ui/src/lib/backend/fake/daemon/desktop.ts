import type { Clock } from '../core/clock';
import type { Check } from '$lib/api/generated/daemon';
import type { Desktop, Preferences } from '../../host';
import type { FakeMachines } from '../machines/machines';
import type { FakeDaemon } from './daemon';
import { paths, QEMU, VERSION } from './paths';
import { told } from './words';

/** How long the looking takes: the image is hashed. */
const LOOKING = 900;

/** What a program on the computer can do, as a record of what it was asked. */
export class FakeDesktop implements Desktop {
  /** How often a terminal was opened. */
  terminals = 0;
  /** How often the program was to end. */
  quits = 0;
  /** The files that were written. */
  readonly archives: string[] = [];
  /** Why none can be written, if so. */
  noArchive: string | undefined;
  /** Why there is no terminal to be opened, if there is none. */
  noTerminal: string | undefined;
  #preferences: Preferences = { closeToTray: true, notifications: true, terminal: '', startAtLogin: false };

  constructor(
    readonly machines: FakeMachines,
    readonly clock: Clock,
  ) {}

  /** That of the machine that the window shows. */
  get daemon(): FakeDaemon {
    return this.machines.shown.daemon;
  }

  async check(): Promise<Check[]> {
    await this.#look();
    return this.#checks();
  }

  async archive(): Promise<string> {
    await this.#look();
    if (this.noArchive !== undefined) throw new Error(this.noArchive);
    const file = `${paths.home}/Downloads/berth-diagnose-${Math.floor(this.clock.now() / 1000)}.tar.gz`;
    this.archives.push(file);
    return file;
  }

  #look(): Promise<void> {
    return new Promise<void>((done) => void this.clock.after(LOOKING, done));
  }

  async openTerminal(): Promise<void> {
    if (this.noTerminal !== undefined) throw new Error(this.noTerminal);
    this.terminals += 1;
  }

  async quit(): Promise<void> {
    this.quits += 1;
  }

  async preferences(): Promise<Preferences> {
    return { ...this.#preferences };
  }

  async setPreferences(change: Partial<Preferences>): Promise<Preferences> {
    const terminal = (change.terminal ?? this.#preferences.terminal).trim();
    this.#preferences = { ...this.#preferences, ...change, terminal };
    return { ...this.#preferences };
  }

  #checks(): Check[] {
    const { machine, settings } = this.daemon;
    const { fate } = machine.script;
    const { status } = machine;
    const check = (name: string, verdict: Check['verdict'], finding: string): Check => ({ name, verdict, finding });
    const doomed = (step: string) => (fate?.step === step && fate.times !== 0 ? fate.cause : undefined);
    const noQemu = doomed('check');
    const badImage = doomed('image');
    const fullDisk = doomed('disk');
    const listen = settings.get('listen');
    return [
      check('folders', 'good', paths.data),
      check('settings', 'good', paths.settings),
      ...(noQemu === undefined
        ? [check('hypervisor', 'good', QEMU), this.#acceleration()]
        : [check('hypervisor', 'bad', noQemu)]),
      badImage === undefined
        ? check('guest image', 'good', `version ${VERSION} in ${paths.image}`)
        : check('guest image', 'bad', badImage),
      fullDisk === undefined
        ? check('room', 'good', '212 GiB are free')
        : check('room', 'notice', `only 208 MiB are free for ${paths.data}: free some`),
      settings.get('docker_context') === 'true'
        ? check('docker context', 'good', '`docker --context berth` leads here')
        : check('docker context', 'good', 'none, as the setting says'),
      listen === ''
        ? check('TCP', 'good', 'not offered: `berth config set listen` would')
        : check('TCP', 'good', listen.split(',').join(', ')),
      status.failure === null
        ? check('daemon', 'good', `the machine is ${status.phase}`)
        : check('daemon', 'bad', told(status.failure)),
    ];
  }

  #acceleration(): Check {
    const { machine, settings } = this.daemon;
    const name = 'acceleration';
    const chosen = settings.get('accelerator');
    if (chosen !== 'auto') {
      const verdict = chosen === 'tcg' ? 'notice' : 'good';
      return { name, verdict, finding: `${chosen}, as the setting \`accelerator\` says` };
    }
    if (machine.script.fallback !== undefined) {
      const finding =
        'kvm is there and could not run the machine, so tcg does, which is slow; kvm is tried again after a week, ' +
        'or at the next start after `berth config set accelerator auto`';
      return { name, verdict: 'notice', finding };
    }
    const ran = machine.status.accelerator;
    if (ran !== null) return { name, verdict: 'good', finding: `${ran} runs the machine` };
    return { name, verdict: 'good', finding: 'kvm, tcg (not tried yet: kvm first)' };
  }
}
