import type { Answer, Upgrade } from '../../backend';
import type { World } from '../world';
import type { Call } from './call';
import { notFound } from './failure';

export type Handler = (world: World, call: Call) => Answer | Promise<Answer>;
export type Upgrader = (world: World, call: Call) => Upgrade | Promise<Upgrade>;

/** `GET /containers/{name}/json`; `{name}` stands for anything, slashes included. */
export type Routes<H = Handler> = Record<string, H>;

type Compiled<H> = { method: string; pattern: RegExp; handler: H };

/** The route of each request: first match first. */
export class Router<H> {
  #table: Compiled<H>[];

  constructor(routes: Routes<H>) {
    this.#table = Object.entries(routes).map(([route, handler]) => {
      const [method, path] = route.split(' ', 2) as [string, string];
      const text = path.split('{name}').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      return { method, pattern: new RegExp(`^${text.join('(.*)')}$`, 's'), handler };
    });
  }

  /** The handler, whose call knows its name. */
  find(call: Call): H | undefined {
    for (const { method, pattern, handler } of this.#table) {
      const found = method === call.method ? pattern.exec(call.path) : null;
      if (found === null) continue;
      call.name = found[1] ?? '';
      return handler;
    }
    return undefined;
  }
}

export const pageNotFound = () => notFound('page not found');
