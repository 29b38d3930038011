import type { EventMessage } from '$lib/api/generated';
import { invalid } from '../core/failure';
import { Outlet } from '../core/outlet';
import { line, stream } from '../core/reply';
import type { Routes } from '../core/router';
import { wants } from './filter';

export const routes: Routes = {
  'GET /events': (world, call) => {
    const [since, until] = [call.time('since'), call.time('until')];
    if (since !== undefined && until !== undefined && until < since) {
      const [first, last] = [call.query.get('since'), call.query.get('until')];
      throw invalid(`\`since\` time (${first}) cannot be after \`until\` time (${last})`);
    }
    const filters = call.filters();
    const outlet = new Outlet(call.signal);
    const tell = (event: EventMessage) => {
      if (wants(filters, event)) outlet.push(line(event));
    };
    // An end at the epoch, or before, is none of what has happened, but no later event is waited for.
    const end = until !== undefined && until > 0 ? until : undefined;
    if (since !== undefined || until !== undefined) world.bus.past(since ?? 0, end).forEach(tell);
    const now = world.clock.now();
    if (until !== undefined && until <= now) {
      outlet.end();
      return stream(outlet.stream, 'application/json');
    }
    outlet.whenGone(world.bus.listen(tell));
    if (until !== undefined) outlet.whenGone(world.clock.after(until - now, () => outlet.end()));
    return stream(outlet.stream, 'application/json');
  },
};
