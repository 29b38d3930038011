// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

/** What the event is about. */
export interface EventActor {
  Attributes: Record<string, string>;
  ID: string;
}

/** One event. `status`, `id` and `from` repeat action, actor ID and image for old clients; container and image events only. */
export interface EventMessage {
  Action: string;
  Actor: EventActor;
  Type: string;
  from?: string;
  id?: string;
  scope?: string;
  status?: string;
  /** Seconds since the epoch. */
  time: number;
  /** Nanoseconds since the epoch. */
  timeNano: number;
}
