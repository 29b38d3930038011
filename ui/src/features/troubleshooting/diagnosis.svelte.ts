import type { Desktop, Diagnosis } from '$lib/backend/host';

/** One look at this computer, which can be taken again. */
export class Look {
  found = $state.raw<Diagnosis | undefined>();
  failure = $state.raw<unknown>();
  busy = $state(false);
  readonly #desktop: Desktop;

  constructor(desktop: Desktop) {
    this.#desktop = desktop;
  }

  async take(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.failure = undefined;
    try {
      this.found = await this.#desktop.diagnose();
    } catch (error) {
      this.failure = error;
    }
    this.busy = false;
  }
}
