/** How the starts of a simulated machine go: how long each step takes, and where one fails. */
import type { Step } from '$lib/api/generated/daemon';

export const STEPS: readonly Step[] = ['check', 'image', 'disk', 'boot', 'link', 'engine'];

export interface Fate {
  step: Step;
  /** In the daemon's words. */
  cause: string;
  /** What the guest's console says before it. */
  console?: string[];
  /** The guest is still there, as when its engine alone does not answer. */
  alive?: boolean;
  /** So many starts; without it all. */
  times?: number;
}

export interface Script {
  /** Milliseconds. */
  took: Record<Step, number>;
  stopping: number;
  cleaning: number;
  erasing: number;
  /** What keeps the guest long before its first word, as the host reads it from the console. */
  work?: { words: string; took: number };
  /** Why hardware help is given up for emulation, if it is. */
  fallback?: string;
  fate?: Fate;
  /** Why what is to be removed cannot be: by the engine, or the disk as a whole. */
  stuck?: { cleaning?: string; erasing?: string };
}

/** A computer with hardware help: a machine in about two seconds. */
export const QUICK: Script = {
  took: { check: 35, image: 60, disk: 8, boot: 140, link: 1150, engine: 480 },
  stopping: 1400,
  cleaning: 900,
  erasing: 300,
};

/** One without, whose disk was not left in order. */
export const SLOW: Script = {
  ...QUICK,
  took: { check: 300, image: 1800, disk: 20, boot: 900, link: 24_000, engine: 7000 },
  work: { words: 'checking the data disk', took: 9000 },
};

const QEMU_DIED = (message: string) =>
  `QEMU ended at once (exit status: 1): ${message}; run \`berth diagnose\`, which checks what it needs`;

/** One failure for each step: what a person is told there on a real computer. */
export const FATES: Record<Step, Pick<Script, 'fate' | 'fallback'>> = {
  check: {
    fate: {
      step: 'check',
      cause:
        'QEMU was not found (qemu-system-x86_64): install it with `apt install qemu-system-x86` (on Debian 12 with `-t bookworm-backports`), `dnf install qemu-system-x86` or `pacman -S qemu-system-x86`',
    },
  },
  image: {
    fate: {
      step: 'image',
      cause:
        'the guest image is corrupted: root.erofs has the sha256 3f1c09ab77de…, not 9b2e64c1f05a…; build it again with `cargo image`, or install berth again',
    },
  },
  disk: {
    fate: {
      step: 'disk',
      cause:
        'not enough room on the disk of /home/ada/.local/share/berth/machine: 208 MiB are free, 512 MiB are needed; free some room, or set BERTH_HOME to another disk',
    },
  },
  boot: {
    fallback: QEMU_DIED('qemu-system-x86_64: failed to initialize kvm: Permission denied'),
    fate: {
      step: 'boot',
      cause: QEMU_DIED("qemu-system-x86_64: cannot set up guest memory 'memory': Cannot allocate memory"),
    },
  },
  link: {
    fate: {
      step: 'link',
      cause: "the guest's kernel panicked: VFS: Unable to mount root fs on unknown-block(0,0)",
      console: [
        "[    0.918233] /dev/vda: Can't open blockdev",
        '[    0.918804] VFS: Cannot open root device "/dev/vda" or unknown-block(0,0): error -6',
        '[    0.919377] Please append a correct "root=" boot option; here are the available partitions:',
        '[    0.920114] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
        '[    0.920790] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.0-berth #1',
        '[    0.921320] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3-2 04/01/2014',
        '[    0.922011] Call Trace:',
        '[    0.922406]  <TASK>',
        '[    0.922789]  panic+0x31d/0x340',
        '[    0.923248]  mount_root_generic+0x1c4/0x270',
        '[    0.923790]  prepare_namespace+0x1e1/0x230',
        '[    0.924304]  kernel_init+0x16/0x1b0',
        '[    0.924788]  </TASK>',
        '[    0.925214] Rebooting in 1 seconds..',
      ],
    },
  },
  engine: {
    fate: {
      step: 'engine',
      cause: 'the engine in the guest did not answer within 5.0 s',
      console: [
        '2026-01-15T12:00:02Z ERROR berth_agent::engine: the engine cannot start: /var/lib/berth/containers.json: unexpected end of input',
        '2026-01-15T12:00:03Z  WARN berth_agent::supervisor: the engine ended (exit status: 1) and is started again in 2 s',
        '2026-01-15T12:00:05Z ERROR berth_agent::engine: the engine cannot start: /var/lib/berth/containers.json: unexpected end of input',
      ],
      alive: true,
    },
  },
};
