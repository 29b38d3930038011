import type { EventMessage } from '$lib/api/generated';
import type { Filters } from '../core/filters';

/** Filters that name an actor: by the beginning of its ID or name, whatever its kind. */
const NAMES = ['daemon', 'container', 'plugin', 'volume', 'network', 'node', 'service', 'secret', 'config'];
/** Actions that carry details after a colon, and may be asked for without them. */
const DETAILED = ['health_status', 'exec_create', 'exec_start'];

/** Whether a client wants the event: values of one filter are alternatives, filters of different names must all hold. */
export function wants(filters: Filters, event: EventMessage): boolean {
  const { Attributes: attributes, ID: id } = event.Actor;
  const begins = (text: string) => (wanted: string) => text.startsWith(wanted);
  return (
    action(filters, event.Action) &&
    filters.accepts('type', event.Type) &&
    filters.accepts('scope', 'local') &&
    NAMES.every((name) => filters.any(name, begins(id)) || filters.any(name, begins(attributes.name ?? ''))) &&
    image(filters, event) &&
    filters.labels(attributes)
  );
}

function action(filters: Filters, action: string): boolean {
  const detailed = filters.values('event').some((wanted) => DETAILED.includes(wanted));
  return filters.any('event', (wanted) => (detailed ? action.startsWith(wanted) : action === wanted));
}

function image(filters: Filters, event: EventMessage): boolean {
  const name = event.Actor.Attributes[event.Type === 'image' ? 'name' : 'image'] ?? '';
  const names = [event.Actor.ID, name, withoutTag(event.Actor.ID), withoutTag(name)];
  return filters.any('image', (wanted) => names.includes(wanted));
}

function withoutTag(reference: string): string {
  const name = reference.split('@', 1)[0]!;
  const at = name.lastIndexOf(':');
  return at < 0 || name.slice(at).includes('/') ? name : name.slice(0, at);
}
