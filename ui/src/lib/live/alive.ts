/** There is a process in a container of this state, or one is about to begin: what an end of the machine ends. */
export function isAlive(state: string): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting';
}
