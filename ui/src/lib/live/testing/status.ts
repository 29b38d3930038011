import type { MachineStatus, Phase, Step, StepReport } from '$lib/api/generated/daemon';

const STEPS: Step[] = ['check', 'image', 'disk', 'boot', 'link', 'engine'];

type Options = Partial<MachineStatus> & {
  /** The step at work, or the one that failed. */
  active?: Step;
  milliseconds?: number;
  doing?: string;
};

/** For tests: what a daemon says of a machine in a phase. */
export function status(phase: Phase, options: Options = {}): MachineStatus {
  const { active, milliseconds = 0, doing = null, ...over } = options;
  const at = active === undefined ? (phase === 'running' ? STEPS.length : 0) : STEPS.indexOf(active);
  const steps = STEPS.map((step, place): StepReport => {
    if (place < at) return { step, progress: 'done', milliseconds: 120, doing: null };
    if (place > at) return { step, progress: 'waiting', milliseconds: 0, doing: null };
    return { step, progress: phase === 'failed' ? 'failed' : 'active', milliseconds, doing };
  });
  const runs = phase === 'running';
  return {
    phase,
    steps: active !== undefined || runs ? steps : [],
    notes: [],
    paused: false,
    failure: null,
    reset: null,
    has_disk: phase !== 'stopped',
    trouble: null,
    accelerator: runs ? 'kvm' : null,
    link: runs ? 'vsock' : null,
    hypervisor: runs ? 'QEMU 10.0.2' : null,
    hypervisor_pid: runs ? 4242 : null,
    image_version: runs ? '0.1.0' : null,
    guest_version: runs ? '0.1.0' : null,
    started_at: runs ? 1_795_694_400 : null,
    start_milliseconds: runs ? 2400 : null,
    ...over,
  };
}
