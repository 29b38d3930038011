const CONTROLS = 'a[href], button, input, select, textarea';

/**
 * Takes what can be pressed within the rows of `body` out of the order of Tab, but for the row that has the focus: a table is one stop,
 * its row the next ones, whatever the cells hold.
 */
export function tame(body: HTMLElement): () => void {
  const held = new Map<HTMLElement, string | null>();
  const hold = (root: Element) => {
    if (root.contains(document.activeElement)) return;
    for (const control of root.querySelectorAll<HTMLElement>(CONTROLS)) {
      if (held.has(control) || control.tabIndex < 0) continue;
      held.set(control, control.getAttribute('tabindex'));
      control.tabIndex = -1;
    }
  };
  const release = (root: Element) => {
    for (const control of root.querySelectorAll<HTMLElement>(CONTROLS)) {
      const before = held.get(control);
      if (before === undefined) continue;
      held.delete(control);
      if (before === null) control.removeAttribute('tabindex');
      else control.setAttribute('tabindex', before);
    }
  };
  const row = (node: EventTarget | Node | null) =>
    node instanceof Node
      ? ((node instanceof Element ? node : node.parentElement)?.closest('[role=row]') ?? null)
      : null;

  const come = (event: FocusEvent) => {
    const at = row(event.target);
    if (at) release(at);
  };
  const leave = (event: FocusEvent) => {
    const from = row(event.target);
    if (from && from !== row(event.relatedTarget)) queueMicrotask(() => hold(from));
  };
  // Rows and what they hold come and go with scrolling and with what happens to the things they show.
  const changes = new MutationObserver((records) => {
    for (const control of held.keys()) if (!control.isConnected) held.delete(control);
    const rows = new Set<Element>();
    for (const { addedNodes } of records) for (const node of addedNodes) collect(node, rows);
    for (const one of rows) hold(one);
  });
  const collect = (node: Node, into: Set<Element>) => {
    const at = row(node);
    if (at && body.contains(at)) into.add(at);
  };

  for (const one of body.querySelectorAll('[role=row]')) hold(one);
  changes.observe(body, { childList: true, subtree: true });
  body.addEventListener('focusin', come);
  body.addEventListener('focusout', leave);
  return () => {
    changes.disconnect();
    body.removeEventListener('focusin', come);
    body.removeEventListener('focusout', leave);
  };
}
