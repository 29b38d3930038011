/** What lies over the pages; one at a time. */
export type Panel = 'palette' | 'keys';

let shown = $state<Panel | undefined>();

export function panel(): Panel | undefined {
  return shown;
}

export function showPanel(which: Panel | undefined): void {
  shown = which;
}
