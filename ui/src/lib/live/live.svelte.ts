import { getContext, onDestroy, setContext } from 'svelte';
import * as containers from '$lib/api/containers';
import type {
  ContainerSummary,
  EventMessage,
  ImageSummary,
  NetworkInspect,
  SystemInfo,
  Volume,
} from '$lib/api/generated';
import * as images from '$lib/api/images';
import * as networks from '$lib/api/networks';
import * as system from '$lib/api/system';
import * as volumes from '$lib/api/volumes';
import { Unreachable, type Backend } from '$lib/backend/backend';
import { isHelper } from './helpers';
import { now, setSkew } from '$lib/kit/clock.svelte';
import { backoff, STEADY } from './backoff';
import { instant, skew } from './clock';
import { concerns, fits, KINDS, type Filter, type Kind } from './concern';
import { Gate } from './gate';
import { List } from './list.svelte';

export type Connection = 'connecting' | 'connected' | 'unreachable';
export type { Filter, Kind } from './concern';

/**
 * What the engine has, kept as it is there.
 *
 *                 head of /events             stream ends
 *   connecting --------------------> connected ----------> unreachable
 *        \                               ^                  |      ^
 *         \ no answer                    | head of /events  | wait | no answer
 *          \                             +------------------+------+
 *           +-----------------------------------------------^
 *
 * The stream is opened first and the lists are asked for then, so that nothing that happens between the two is missed.
 */
export class Live {
  readonly containers = new List<ContainerSummary>();
  readonly images = new List<ImageSummary>();
  readonly volumes = new List<Volume>();
  readonly networks = new List<NetworkInspect>();

  connection = $state<Connection>('connecting');
  /** Counts connections: events may have been missed between two of them. */
  session = $state(0);
  /** Why there is none. */
  why = $state.raw<Error | undefined>();
  /** How often it was tried in vain since the last one. */
  failures = $state(0);
  /** When it is tried again, by this computer's clock; undefined while it is being tried. */
  nextTry = $state<number | undefined>();
  info = $state.raw<SystemInfo | undefined>();
  /** How far the engine's clock is ahead of this computer's, in milliseconds. */
  skew = $state(0);

  readonly #backend: Backend;
  readonly #gates: Record<Kind, Gate>;
  readonly #life = new AbortController();
  readonly #listeners = new Set<(event: EventMessage) => void>();
  #stream = new AbortController();
  #wake: (() => void) | undefined;

  /** The containers that are the person's own. */
  readonly shown = $derived(this.containers.list.filter((one) => !isHelper(one)));

  constructor(backend: Backend) {
    this.#backend = backend;
    const gate = <T>(list: List<T>, ask: (backend: Backend, options: containers.Abort) => Promise<T[]>) =>
      new Gate(() => this.#refill(list, ask));
    this.#gates = {
      containers: gate(this.containers, (to, options) => containers.list(to, { all: true, ...options })),
      images: gate(this.images, async (to, options) =>
        (await images.list(to, options)).filter((one) => !isHelper(one)),
      ),
      volumes: gate(this.volumes, volumes.list),
      networks: gate(this.networks, networks.list),
    };
  }

  /** The engine's time; each second anew where it is drawn, as long as the page can be seen. */
  get now(): number {
    return now();
  }

  /** Follows the engine until the function that it gives is called. */
  start(): () => void {
    void this.#follow();
    const seen = () => {
      if (document.hidden) return;
      if (this.connection === 'unreachable') this.retry();
      // While it could not be seen, the computer may have slept and left the machine's clock behind.
      if (this.connection === 'connected') void this.#learn();
    };
    document.addEventListener('visibilitychange', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      for (const kind of KINDS) this.#gates[kind].stop();
      this.#life.abort();
      this.#stream.abort();
      this.#wake?.();
    };
  }

  /** Tries to connect now instead of later. */
  retry(): void {
    this.#wake?.();
  }

  /** Asks for lists again, for a person who does not trust them or after one failed. */
  refresh(...kinds: Kind[]): void {
    for (const kind of kinds.length > 0 ? kinds : KINDS) this.#gates[kind].askNow();
  }

  /** Calls back for each event that fits, until the function that it gives is called. */
  onEvent(filter: Filter, callback: (event: EventMessage) => void): () => void {
    const listener = (event: EventMessage) => {
      if (fits(event, filter)) callback(event);
    };
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #follow(): Promise<void> {
    let broken = 0;
    while (!this.#life.signal.aborted) {
      const asked = Date.now();
      let opened: number | undefined;
      this.nextTry = undefined;
      this.#stream = new AbortController();
      try {
        const events = system.events(this.#backend, {
          signal: this.#stream.signal,
          opened: (date) => {
            opened = performance.now();
            // To the second; put right by what `#learn` hears.
            if (date !== undefined) this.#setSkew(skew(date.getTime() + 500, asked, Date.now()));
            this.#connected();
          },
        });
        for await (const event of events) this.#saw(event);
        this.why = new Unreachable('the engine ended the connection');
      } catch (error) {
        this.why = this.#stream.signal.aborted ? (this.#stream.signal.reason as Error) : asError(error);
      }
      if (this.#life.signal.aborted) return;
      this.#stream.abort(this.why);
      this.connection = 'unreachable';
      // One that breaks off at once each time is no better than none: its pauses grow as well.
      if (opened !== undefined && performance.now() - opened > STEADY) broken = 0;
      this.failures = opened === undefined ? this.failures + 1 : 0;
      await this.#pause(backoff(broken++));
    }
  }

  #pause(milliseconds: number): Promise<void> {
    this.nextTry = Date.now() + milliseconds;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #connected(): void {
    this.connection = 'connected';
    this.why = undefined;
    this.failures = 0;
    this.session += 1;
    this.refresh();
    void this.#learn();
  }

  #saw(event: EventMessage): void {
    for (const kind of concerns(event)) this.#gates[kind].ask();
    for (const listener of [...this.#listeners]) {
      // One page's failure is not the others', nor the connection's.
      try {
        listener(event);
      } catch (error) {
        reportError(error);
      }
    }
  }

  async #refill<T>(list: List<T>, ask: (backend: Backend, options: containers.Abort) => Promise<T[]>): Promise<void> {
    // With the connection ends what was asked over it; the next one asks anew.
    const stream = this.#stream;
    try {
      const found = await ask(this.#backend, { signal: stream.signal });
      list.list = found;
      list.loaded = true;
      list.error = undefined;
      list.at = Date.now() + this.skew;
    } catch (error) {
      if (stream.signal.aborted) return;
      list.error = asError(error);
      if (error instanceof Unreachable) stream.abort(error);
    }
  }

  #setSkew(milliseconds: number): void {
    this.skew = milliseconds;
    setSkew(milliseconds);
  }

  /** What the engine says of itself, its clock among it. */
  async #learn(): Promise<void> {
    const asked = Date.now();
    try {
      const info = await system.info(this.#backend, { signal: this.#life.signal });
      const theirs = instant(info.SystemTime);
      this.info = info;
      if (theirs !== undefined) this.#setSkew(skew(theirs, asked, Date.now()));
    } catch {
      // Nothing on the pages depends on it; the stream of events tells whether the engine can be reached.
    }
  }
}

const KEY = Symbol('live');

/** Gives every page below what is followed. */
export function provideLive(live: Live): void {
  setContext(KEY, live);
}

/** What the engine has; to be asked for while a component is being made. */
export function live(): Live {
  return getContext<Live>(KEY);
}

/** `live().onEvent`, until the component that is being made is gone or the function that it gives is called. */
export function onEvent(filter: Filter, callback: (event: EventMessage) => void): () => void {
  const stop = live().onEvent(filter, callback);
  onDestroy(stop);
  return stop;
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
