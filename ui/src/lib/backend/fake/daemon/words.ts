import type { Failure, MachineStatus } from '$lib/api/generated/daemon';

/** Why there is no engine and what to do, as the daemon's engine socket says it. */
export function away(status: MachineStatus): string {
  const { phase, failure, trouble } = status;
  switch (phase) {
    case 'failed':
      return failure === null
        ? 'the machine is stopped: run `berth up`'
        : failure.alive && !failure.unanswered
          ? `${told(failure)}: \`berth machine logs\` shows more, \`berth machine restart\` starts it anew`
          : `${told(failure)}: \`berth machine logs\` shows more, \`berth up\` tries again`;
    case 'starting':
      return 'the machine is starting: try again in a moment';
    case 'running':
      return `the machine does not answer now: ${trouble ?? 'the link to the machine is being restored'}; then try again`;
    case 'resetting':
      return 'the machine is being reset: try again in a moment';
    case 'stopping':
      return 'the machine is stopping: run `berth up` to start it again';
    case 'stopped':
      return 'the machine is stopped: run `berth up`';
  }
}

/** A failure in one line. */
export function told({ during, step, cause, alive }: Failure): string {
  const what =
    during === 'reset'
      ? `the reset is not complete${step === null ? '' : ` (${step})`}: ${cause}`
      : step !== null
        ? `the machine did not start (${step}): ${cause}`
        : alive
          ? `the machine cannot be used: ${cause}`
          : `the machine stopped: ${cause}`;
  return alive ? `${what}; it is still there, \`berth down\` ends it` : what;
}
