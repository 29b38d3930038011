import { expect, it } from 'vitest';
import type { ContainerSummary, NetworkInspect, Volume } from '$lib/api/generated';
import { ANONYMOUS } from '$features/volumes/rows';
import { HELPER } from '$lib/live/helpers';
import { countsOf } from './reset';

it('counts what is the person’s own: no helpers, no networks of the engine', () => {
  const container = (State: string, Labels: Record<string, string> = {}) => ({ State, Labels }) as ContainerSummary;
  const network = (Name: string) => ({ Name }) as NetworkInspect;
  const volume = (Name: string, Labels: Record<string, string> | null) => ({ Name, Labels }) as Volume;
  expect(
    countsOf({
      containers: [
        container('running'),
        container('paused'),
        container('restarting'),
        container('exited'),
        container('created', { [HELPER]: '' }),
      ],
      images: [],
      networks: ['bridge', 'host', 'none', 'shop'].map(network),
      volumes: [volume('data', null), volume('ffff', { [ANONYMOUS]: '' }), volume('more', {})],
    }),
  ).toEqual({ containers: 4, running: 3, images: 0, networks: 1, anonymous: 1, named: 2 });
});
