/** What has a time as a text that sorts: RFC 3339 in UTC with nine digits, as engines write it. */
export type Timed = { time: string };

/**
 * Merges lists, each in its own order, by time. What has the same time keeps the order of the lists, and no list is reordered within
 * itself: what a container wrote later stays later even if the clock was set back.
 */
export function merged<T extends Timed>(lists: readonly (readonly T[])[]): T[] {
  const at = lists.map(() => 0);
  const result: T[] = [];
  for (;;) {
    let first: T | undefined;
    let from = 0;
    for (let list = 0; list < lists.length; list++) {
      const head = lists[list]![at[list]!];
      if (head !== undefined && (first === undefined || head.time < first.time)) {
        first = head;
        from = list;
      }
    }
    if (first === undefined) return result;
    result.push(first);
    at[from]!++;
  }
}

/**
 * Holds what comes from several sources back for a moment, so that what was written at about the same time is handed on in the order in
 * which it was written. A quiet source holds nobody up.
 */
export class Interleaver<T extends Timed> {
  readonly #hold: number;
  readonly #out: (entries: T[]) => void;
  #held = new Map<string, T[]>();
  #timer?: ReturnType<typeof setTimeout>;

  constructor(out: (entries: T[]) => void, hold = 100) {
    this.#out = out;
    this.#hold = hold;
  }

  push(source: string, entries: readonly T[]): void {
    if (entries.length === 0) return;
    const own = this.#held.get(source);
    if (own === undefined) this.#held.set(source, [...entries]);
    else for (const entry of entries) own.push(entry);
    this.#timer ??= setTimeout(() => this.flush(), this.#hold);
  }

  flush(): void {
    const lists = [...this.#held.values()];
    this.drop();
    if (lists.length > 0) this.#out(merged(lists));
  }

  /** Forgets what is held. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = new Map();
  }
}
