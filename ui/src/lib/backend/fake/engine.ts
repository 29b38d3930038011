import type { Answer, Backend, Request, Upgrade } from '../backend';
import { routes as builds } from './builds/routes';
import { erase } from './containers/lifecycle';
import { routes as containers, upgrades } from './containers/routes';
import { Call } from './core/call';
import { type Clock, RealClock } from './core/clock';
import { Failure } from './core/failure';
import { Faults, type Fault } from './core/faults';
import { Link } from './core/link';
import { bare, refused } from './core/reply';
import { type Handler, Router, type Upgrader, pageNotFound } from './core/router';
import { routes as events } from './events/routes';
import { routes as images } from './images/routes';
import { routes as networks } from './networks/routes';
import { routes as system } from './system/routes';
import { routes as volumes } from './volumes/routes';
import { World } from './world';

const ROUTER = new Router<Handler>({
  ...system,
  ...events,
  ...containers,
  ...images,
  ...networks,
  ...volumes,
  ...builds,
});
const UPGRADES = new Router<Upgrader>(upgrades);

export interface Options {
  clock?: Clock;
  /** The same seed gives the same IDs, addresses and names. */
  seed?: number;
}

/**
 * An engine that is simulated in the page: an ordinary Docker API with containers, images, volumes and networks of its own, in the engine's
 * words, statuses and order of events. `tests/contract` holds it to what a real engine does.
 */
export class FakeEngine implements Backend {
  readonly world: World;
  readonly faults = new Faults();
  /** To the machine that it is in; always there where nobody starts and stops that. */
  readonly link = new Link();

  constructor({ clock = new RealClock(), seed = 1 }: Options = {}) {
    this.world = new World(clock, seed);
  }

  /** Has requests fail from now on. */
  fail(fault: Fault): () => void {
    return this.faults.add(fault);
  }

  /** Takes a container away as somebody else would who removes it by force. */
  vanish(name: string): void {
    const container = this.world.containers.find(name);
    container.host = { ...container.host, AutoRemove: false };
    container.stoppedByUser = true;
    container.cancelRestart?.();
    container.process?.exit(137);
    erase(this.world, container, true);
  }

  async request(request: Request): Promise<Answer> {
    await arrive(request);
    const fault = this.faults.of(request);
    const answer = (fault && this.faults.instead(fault)) ?? (await this.#answer(this.link.through(request)));
    request.signal?.throwIfAborted();
    return fault ? this.faults.cut(fault, answer) : answer;
  }

  async upgrade(request: Request): Promise<Upgrade> {
    await arrive(request);
    const fault = this.faults.of(request);
    const instead = fault && this.faults.instead(fault);
    if (instead) return { answer: instead };
    const through = this.link.through(request);
    const call = new Call(through);
    const handler = UPGRADES.find(call);
    if (handler === undefined) return { answer: await this.#answer(through) };
    try {
      const upgrade = await handler(this.world, call);
      return fault && 'duplex' in upgrade ? { duplex: this.faults.cutDuplex(fault, upgrade.duplex) } : upgrade;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      // To a client that wants a stream the words come as they are.
      return { answer: call.path.endsWith('/attach') ? bare(error.status, error.message) : failed(error) };
    }
  }

  async #answer(request: Request): Promise<Answer> {
    try {
      const call = new Call(request);
      const handler = ROUTER.find(call);
      if (handler === undefined) throw pageNotFound();
      return await handler(this.world, call);
    } catch (error) {
      return failed(error);
    }
  }
}

/** A request takes its turn: nothing of it happens before whoever sent it goes on, as with a real connection. */
async function arrive({ signal }: Request): Promise<void> {
  signal?.throwIfAborted();
  await Promise.resolve();
  signal?.throwIfAborted();
}

function failed(error: unknown): Answer {
  if (error instanceof Failure) return refused(error.status, error.message);
  throw error;
}
