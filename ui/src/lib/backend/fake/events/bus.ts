import type { EventMessage } from '$lib/api/generated';
import { seconds } from '../core/time';

export type Kind = 'builder' | 'container' | 'image' | 'network' | 'volume';

/** The engine remembers so many. */
const KEPT = 256;

/** What happened, told to whoever listens, in the order in which it happened. */
export class Bus {
  #past: EventMessage[] = [];
  #listeners = new Set<(event: EventMessage) => void>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  emit(kind: Kind, action: string, id: string, attributes: Record<string, string>): void {
    const at = this.#now();
    const old = kind === 'container' || kind === 'image';
    const event: EventMessage = {
      ...(old ? { status: action, id } : {}),
      ...(kind === 'container' ? { from: attributes.image ?? '' } : {}),
      Type: kind,
      Action: action,
      Actor: { ID: id, Attributes: Object.fromEntries(Object.entries(attributes).toSorted(byName)) },
      scope: 'local',
      time: seconds(at),
      timeNano: Math.round(at * 1000) * 1000,
    };
    this.#past.push(event);
    if (this.#past.length > KEPT) this.#past.shift();
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** What is remembered of the time from `since` to `until`, in milliseconds. */
  past(since: number, until = Infinity): EventMessage[] {
    return this.#past.filter((event) => event.timeNano >= since * 1e6 && event.timeNano <= until * 1e6);
  }

  listen(listener: (event: EventMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A past without events, as of an engine that started before its oldest remembered one. */
  forget(): void {
    this.#past = [];
  }
}

function byName([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
