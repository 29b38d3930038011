import { empty, json, stream } from '../core/reply';
import type { Routes } from '../core/router';

/** The engine's own routes about builds. Those of `POST /build` are among the system's. */
export const routes: Routes = {
  'GET /berth/builds': ({ history }) => json(history.list()),
  'GET /berth/builds/{name}/logs': ({ history }, call) =>
    stream(
      history.read(call.name, call.filled('vertex'), call.flag('follow'), call.signal),
      'text/plain; charset=utf-8',
    ),
  'GET /berth/builds/{name}': ({ history }, call) => json(history.inspect(call.name)),
  'DELETE /berth/builds/{name}': ({ history }, call) => {
    history.remove(call.name);
    return empty(204);
  },
};
