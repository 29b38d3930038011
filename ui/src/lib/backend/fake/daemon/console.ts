/** What the guest's serial console says while it boots, and when. */
import type { Clock } from '../core/clock';
import type { Logs } from './logs';

/** Milliseconds of a boot that takes a second; another one is stretched. */
type Line = [at: number, text: string];

const KERNEL: Line[] = [
  [0, '[    0.000000] Linux version 6.12.0-berth (berth@build) #1 SMP PREEMPT_DYNAMIC'],
  [0, '[    0.000000] Command line: console=ttyS0 panic=-1 loglevel=4 random.trust_cpu=on'],
  [180, '[    0.412904] ACPI: bus type PCI registered'],
  [310, '[    0.731552] virtio_blk virtio1: [vda] 8/0/0 default/read/poll queues'],
  [330, '[    0.744190] virtio_blk virtio2: [vdb] 8/0/0 default/read/poll queues'],
  [390, '[    0.918233] erofs: (device vda): mounted with root inode @ nid 36.'],
];

const AGENT: Line[] = [
  [560, ' INFO berth_agent::init: the root is mounted'],
  [640, ' INFO berth_agent::init: 41 modules are loaded'],
  [830, ' INFO berth_agent::init: the data disk is mounted'],
  [870, ' INFO berth_agent::network: lo is up'],
  [900, ' INFO relay: listening on both lanes'],
];

const ENGINE: Line[] = [
  [80, ' INFO berth_agent::engine: the engine starts'],
  [380, ' INFO containers: metadata is read'],
  [540, ' INFO networks: 3 networks are there'],
  [880, ' INFO berth_agent::engine: the engine is ready'],
];

/** How long the guest takes before the engine begins, in milliseconds. */
const GUEST = 1000;

type Part = 'guest' | 'engine';

function lines(part: Part): { at: number; text: string; stamped: boolean }[] {
  const of = (some: Line[], stamped: boolean) => some.map(([at, text]) => ({ at, text, stamped }));
  return part === 'engine' ? of(ENGINE, true) : [...of(KERNEL, false), ...of(AGENT, true)];
}

/** Has the guest speak during the next `took` milliseconds. */
export function speak(logs: Logs, clock: Clock, part: Part, took: number): (() => void)[] {
  return lines(part).map(({ at, text, stamped }) =>
    clock.after((at * took) / 1000, () => logs.write('console', stamped ? stamp(clock.now(), text) : text)),
  );
}

/** What a guest said that booted at `began`. */
export function spoken(logs: Logs, began: number): void {
  for (const [part, from] of [
    ['guest', began],
    ['engine', began + GUEST],
  ] as const)
    for (const { at, text, stamped } of lines(part)) logs.write('console', stamped ? stamp(from + at, text) : text);
}

function stamp(now: number, text: string): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z ${text}`;
}
