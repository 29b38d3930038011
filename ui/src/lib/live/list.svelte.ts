/** One kind of thing as the engine listed it last. Replaced as a whole: what is in it does not change. */
export class List<T> {
  list = $state.raw<T[]>([]);
  /** False until the first answer: then there is nothing to show, not even that there is nothing. */
  loaded = $state(false);
  /** Why the last request failed; `list` is older then. */
  error = $state.raw<Error | undefined>();
  /** When the engine listed it, by the engine's clock: what it says of durations ("Up 5 minutes") held then. */
  at = $state.raw(0);
}
