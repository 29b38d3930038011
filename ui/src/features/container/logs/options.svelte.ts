/** How logs are shown: the same in every pane, for as long as the window is open. */
export const options = $state({ wrap: true, times: false });
