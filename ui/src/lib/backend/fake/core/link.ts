import { type Request, Unreachable } from '../../backend';

/** The way to an engine that may not be there: requests are turned away meanwhile, and what is open breaks off. */
export class Link {
  #why: (() => string) | undefined;
  #open = new AbortController();

  /** Has requests be turned away; what is open goes on. */
  close(why: () => string): void {
    this.#why = why;
  }

  open(): void {
    this.#why = undefined;
  }

  /** Breaks what is open. */
  cut(words = 'the connection was reset'): void {
    this.#open.abort(new Unreachable(words));
    this.#open = new AbortController();
  }

  /** `request`, which ends with the link; throws where there is none. */
  through(request: Request): Request {
    if (this.#why !== undefined) throw new Unreachable(this.#why());
    const { signal } = request;
    // One of its own for each, too: what listens to it goes with the request.
    return { ...request, signal: AbortSignal.any(signal ? [signal, this.#open.signal] : [this.#open.signal]) };
  }
}
