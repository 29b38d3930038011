import type { Check } from '$lib/api/generated/daemon';
import type { Desktop } from '$lib/backend/host';

/** Something that is asked for again and again, one at a time: what came of it last. */
class Asked<T> {
  found = $state.raw<T | undefined>();
  failure = $state.raw<unknown>();
  busy = $state(false);
  readonly #ask: () => Promise<T>;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  async take(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.failure = undefined;
    try {
      this.found = await this.#ask();
    } catch (error) {
      this.failure = error;
    }
    this.busy = false;
  }
}

/** A look at this computer, which can be taken again. */
export class Look extends Asked<Check[]> {
  constructor(desktop: Desktop) {
    super(() => desktop.check());
  }
}

/** An archive for whoever helps, written when somebody wants it. */
export class Report extends Asked<string> {
  constructor(desktop: Desktop) {
    super(() => desktop.archive());
  }
}
