/** Where a key leads in a list of lines, from the one at `at`; undefined for a key that is no move. May be beyond either end. */
export function lineFor(key: string, at: number, { page, count }: { page: number; count: number }): number | undefined {
  return {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    Home: 0,
    End: count - 1,
    PageDown: at + page,
    PageUp: at - page,
  }[key];
}
