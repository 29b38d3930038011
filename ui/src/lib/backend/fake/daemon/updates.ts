import type { Newer, UpdateReport } from '$lib/api/generated/daemon';
import { conflict } from '../core/failure';
import { seconds } from '../core/time';
import type { Settings } from './settings/settings';

/** What a build is that was given no address, as those are that everybody makes. */
const NO_ADDRESS = 'it was built without an address to look at (BERTH_UPDATE_URL)';

/** Looks for newer versions; what there is to be found is set from outside. */
export class Updates {
  /** Undefined: this build looks nowhere. `why`: the look fails. */
  published: { newer?: Newer; why?: string } | undefined;
  #looked: { at: number; newer?: Newer } | undefined;
  #why: string | undefined;

  constructor(
    readonly settings: Settings,
    readonly now: () => number,
  ) {}

  report(): UpdateReport {
    const newer = this.#looked?.newer ?? null;
    const looked_at = this.#looked?.at ?? null;
    if (this.published === undefined) return { state: 'unavailable', why: NO_ADDRESS, looked_at: null, newer: null };
    if (this.settings.get('updates') === 'false') return { state: 'off', why: null, looked_at, newer };
    if (this.#why !== undefined) return { state: 'failed', why: this.#why, looked_at, newer };
    const state = newer ? 'available' : looked_at === null ? 'not_looked' : 'current';
    return { state, why: null, looked_at, newer };
  }

  look(): UpdateReport {
    if (this.published === undefined) throw conflict(`this berth does not look for updates: ${NO_ADDRESS}`);
    this.#why = this.published.why;
    if (this.#why === undefined) this.#looked = { at: seconds(this.now()), newer: this.published.newer };
    const report = this.report();
    return report.state === 'off' ? { ...report, state: report.newer ? 'available' : 'current' } : report;
  }
}
