import { createSubscriber } from 'svelte/reactivity';

let ahead = $state(0);

/** How far the engine's clock is ahead of this computer's, in milliseconds: what it dates is old or new by its own. */
export function setSkew(milliseconds: number): void {
  ahead = milliseconds;
}

/**
 * The engine's time, for what is drawn: it moves each second while something shows it and the window is seen, and costs nothing otherwise.
 */
const subscribe = createSubscriber((update) => {
  let timer: ReturnType<typeof setInterval> | undefined;
  const turn = () => {
    clearInterval(timer);
    timer = document.hidden ? undefined : setInterval(update, 1000);
    if (!document.hidden) update();
  };
  timer = document.hidden ? undefined : setInterval(update, 1000);
  document.addEventListener('visibilitychange', turn);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', turn);
  };
});

export function now(): number {
  subscribe();
  return Date.now() + ahead;
}
