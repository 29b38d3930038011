/**
 * What a request makes of the machine, as `app/host/src/machine/state` decides it. Pure: `machine.ts` does what it says.
 */
import type { Failure, Step } from '$lib/api/generated/daemon';

/** What a start is for. */
export type Purpose = 'use' | 'clean';

/** What follows when the machine has stopped. */
export type Then = { is: 'stay' } | { is: 'start'; purpose: Purpose } | { is: 'erase'; thenStart: boolean };

export type State =
  | { is: 'stopped' }
  | { is: 'starting'; step: Step; purpose: Purpose }
  | { is: 'running' }
  /** Containers, images and networks are being removed. */
  | { is: 'cleaning' }
  | { is: 'stopping'; then: Then }
  /** The data disk is being removed. */
  | { is: 'erasing'; thenStart: boolean }
  | { is: 'failed'; failure: Failure };

export type Ask = { is: 'up' } | { is: 'down' } | { is: 'restart' } | { is: 'reset'; keepVolumes: boolean };

/** What is to be done on the way to the next state. */
export type Act = 'start' | 'stop' | 'give up' | 'clean' | 'erase';

export type Next = { state: State; act?: Act } | { refused: string };

const STILL_THERE = 'run `berth down` first, `berth machine logs` shows why it failed';
const STARTING = 'wait until it runs, or run `berth down`';

/** How a refusal calls the state. */
const NAMES: Record<State['is'], string> = {
  stopped: 'stopped',
  starting: 'starting',
  running: 'running',
  cleaning: 'being reset',
  stopping: 'stopping',
  erasing: 'being reset',
  failed: 'failed',
};

export function next(state: State, ask: Ask): Next {
  switch (state.is) {
    case 'stopped':
      return idle(ask);
    case 'failed':
      return state.failure.alive ? stillThere(state, ask) : idle(ask);
    case 'starting':
      return starting(state, ask);
    case 'running':
      return running(state, ask);
    case 'cleaning':
      return cleaning(state, ask);
    case 'stopping':
      return { state: { is: 'stopping', then: stopping(state.then, ask) } };
    case 'erasing':
      return {
        state: {
          is: 'erasing',
          thenStart: ask.is === 'up' || ask.is === 'restart' || (ask.is === 'reset' && ask.keepVolumes),
        },
      };
  }
}

/** What comes when no guest is there any more. */
export function after(then: Then): { state: State; act?: Act } {
  switch (then.is) {
    case 'stay':
      return { state: { is: 'stopped' } };
    case 'start':
      return begin(then.purpose);
    case 'erase':
      return { state: { is: 'erasing', thenStart: then.thenStart }, act: 'erase' };
  }
}

export function begin(purpose: Purpose): { state: State; act: Act } {
  return { state: { is: 'starting', step: 'check', purpose }, act: 'start' };
}

function refused(state: State, remedy: string): Next {
  return { refused: `the machine is ${NAMES[state.is]}: ${remedy}` };
}

const stop = (then: Then): Next => ({ state: { is: 'stopping', then }, act: 'stop' });

/** No guest is there. */
function idle(ask: Ask): Next {
  if (ask.is === 'down') return { state: { is: 'stopped' } };
  if (ask.is === 'reset') return ask.keepVolumes ? begin('clean') : after({ is: 'erase', thenStart: false });
  return begin('use');
}

function wish(ask: Ask): Then {
  if (ask.is === 'down') return { is: 'stay' };
  if (ask.is === 'reset')
    return ask.keepVolumes ? { is: 'start', purpose: 'clean' } : { is: 'erase', thenStart: false };
  return { is: 'start', purpose: 'use' };
}

function stillThere(state: State, ask: Ask): Next {
  return ask.is === 'up' ? refused(state, STILL_THERE) : stop(wish(ask));
}

function starting(state: State & { is: 'starting' }, ask: Ask): Next {
  if (ask.is === 'up') return { state };
  if (ask.is === 'restart') return refused(state, STARTING);
  if (ask.is === 'reset' && ask.keepVolumes) return { state: { ...state, purpose: 'clean' } };
  // A guest that was not heard of yet cannot be asked to stop; one that was is.
  if (state.step === 'engine') return stop(wish(ask));
  return { state: after(wish(ask)).state, act: 'give up' };
}

function running(state: State, ask: Ask): Next {
  if (ask.is === 'up') return { state };
  if (ask.is === 'reset' && ask.keepVolumes) return { state: { is: 'cleaning' }, act: 'clean' };
  return stop(wish(ask));
}

function cleaning(state: State, ask: Ask): Next {
  if (ask.is === 'up' || (ask.is === 'reset' && ask.keepVolumes)) return { state };
  return stop(wish(ask));
}

function stopping(then: Then, ask: Ask): Then {
  switch (ask.is) {
    case 'up':
    case 'restart':
      if (then.is === 'erase') return { is: 'erase', thenStart: true };
      return then.is === 'start' ? then : { is: 'start', purpose: 'use' };
    case 'down':
      return then.is === 'erase' ? { is: 'erase', thenStart: false } : { is: 'stay' };
    case 'reset':
      if (!ask.keepVolumes) return { is: 'erase', thenStart: false };
      return then.is === 'erase' ? { is: 'erase', thenStart: true } : { is: 'start', purpose: 'clean' };
  }
}
