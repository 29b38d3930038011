/**
 * Where the person is: `#/containers/<id>/logs` and so on. Kept in the address, so that back, forward, reload and links work.
 */
export type Place = { view: string; rest: string[]; query: Record<string, string> };

/** The place that a fragment names; the empty one is the list of containers. */
export function parse(fragment: string): Place {
  const [path = '', query = ''] = fragment.replace(/^#\/?/, '').split('?', 2);
  const [view = '', ...rest] = path
    .split('/')
    .filter((part) => part !== '')
    .map(decode);
  return { view: view || 'containers', rest, query: Object.fromEntries(new URLSearchParams(query)) };
}

/** The fragment of a place. */
export function link(view: string, rest: string[] = [], query: Record<string, string> = {}): string {
  const path = [view, ...rest].map(encodeURIComponent).join('/');
  const pairs = new URLSearchParams(query).toString();
  return pairs === '' ? `#/${path}` : `#/${path}?${pairs}`;
}

// A fragment that somebody typed need not be well encoded.
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

let current = $state<Place>(parse(typeof location === 'undefined' ? '' : location.hash));

export function place(): Place {
  return current;
}

export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') location.hash = to;
  else {
    history.replaceState(null, '', to);
    current = parse(to);
  }
}

/** Follows the address until the page is left. */
export function follow(): () => void {
  const moved = () => (current = parse(location.hash));
  moved();
  addEventListener('hashchange', moved);
  return () => removeEventListener('hashchange', moved);
}
