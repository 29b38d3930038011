import type { EventMessage } from '$lib/api/generated';

export const KINDS = ['containers', 'images', 'volumes', 'networks'] as const;
export type Kind = (typeof KINDS)[number];

// What happens to a container without a change to how it is listed. A health check alone makes three of these each time it runs.
const NOT_LISTED = new Set([
  'archive-path',
  'attach',
  'commit',
  'copy',
  'detach',
  'exec_create',
  'exec_detach',
  'exec_die',
  'exec_start',
  'export',
  'extract-to-dir',
  'kill',
  'oom',
  'resize',
  'top',
]);

/** The lists that an event makes old. An action that is not known here counts: a request too many beats a list that is wrong. */
export function concerns(event: Pick<EventMessage, 'Type' | 'Action'>): Kind[] {
  // `exec_start: sh -c true`, `health_status: healthy`
  const action = event.Action.split(':', 1)[0]!;
  switch (event.Type) {
    case 'container':
      return NOT_LISTED.has(action) ? [] : ['containers'];
    case 'image':
      // A container is listed with its image's name as long as the name means that image.
      return action === 'push' || action === 'save' ? [] : ['images', 'containers'];
    case 'volume':
      return action === 'mount' || action === 'unmount' ? [] : ['volumes'];
    case 'network':
      // Who is on a network, and with which address, is in the list of containers only.
      return action === 'connect' || action === 'disconnect' ? ['containers'] : ['networks'];
    default:
      return [];
  }
}

/** Which events a page wants: all that fit every member given. */
export type Filter = { type?: EventMessage['Type']; actions?: string[]; id?: string };

export function fits(event: EventMessage, filter: Filter): boolean {
  const action = event.Action.split(':', 1)[0]!;
  return (
    (filter.type === undefined || event.Type === filter.type) &&
    (filter.actions === undefined || filter.actions.includes(action)) &&
    (filter.id === undefined ||
      event.Actor.ID === filter.id ||
      // `network connect` is about the network, and names the container beside it.
      event.Actor.Attributes['container'] === filter.id)
  );
}
