import { createSubscriber } from 'svelte/reactivity';

let ahead = $state(0);

/** How far the engine's clock is ahead of this computer's, in milliseconds: what it dates is old or new by its own. */
export function setSkew(milliseconds: number): void {
  ahead = milliseconds;
}

/** Moves while something shows it and the window is seen, and costs nothing otherwise. */
const every = (milliseconds: number) =>
  createSubscriber((update) => {
    let timer: ReturnType<typeof setInterval> | undefined;
    const turn = () => {
      clearInterval(timer);
      timer = document.hidden ? undefined : setInterval(update, milliseconds);
      if (!document.hidden) update();
    };
    timer = document.hidden ? undefined : setInterval(update, milliseconds);
    document.addEventListener('visibilitychange', turn);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', turn);
    };
  });

const second = every(1000);
const minute = every(10_000);

/** The engine's time, for what is drawn: it moves each second. */
export function now(): number {
  second();
  return Date.now() + ahead;
}

/** The same for what is told in minutes and more: a list of old things need not be looked at each second. */
export function nowInMinutes(): number {
  minute();
  return Date.now() + ahead;
}
