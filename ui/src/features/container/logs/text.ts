import { Follower, type Source, type Standing } from '$lib/live/follower.svelte';
import { LogBuffer } from './buffer';
import { Records } from './records';

export interface Shape {
  /** How many lines are kept; as many as a pane bears if not given. */
  lines?: number;
  /** Whether a time as the engine writes it stands before each line. */
  stamped?: boolean;
}

/** A log that comes as text from its beginning, followed into a buffer. */
export class TextLog {
  readonly buffer: LogBuffer;
  readonly #follower: Follower;

  constructor(source: Source, { lines, stamped }: Shape = {}) {
    const buffer = (this.buffer = new LogBuffer({ lines }));
    let records = new Records({ framed: false, stamped });
    this.#follower = new Follower(source, {
      begin: () => {
        buffer.clear();
        records = new Records({ framed: false, stamped });
      },
      push: (bytes) => buffer.push(records.push(bytes)),
      end: () => buffer.push(records.end()),
    });
  }

  get standing(): Standing {
    return this.#follower.standing;
  }

  /** Reads now instead of later, for when who keeps the log is known to be there. */
  wake(): void {
    this.#follower.wake();
  }

  /** Follows until the function that it gives is called. */
  start(): () => void {
    return this.#follower.start();
  }
}
