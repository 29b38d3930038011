/** What the simulated engine has for the contract, as `tests/front_end` of the workspace makes it in a real one. */
import type { ScriptedStep } from '$lib/backend/fake/builds/script';
import type { World } from '$lib/backend/fake/world';
import { Reference } from '$lib/backend/fake/images/reference';
import { bake } from '$lib/backend/fake/scenes/catalogue';

/** In the order in which they were begun. */
export function builds(world: World): void {
  const opening = (dockerfile: string): ScriptedStep[] => [
    { name: `[internal] load build definition from ${dockerfile}`, from: 0, takes: 20 },
    { name: '[internal] load metadata for docker.io/library/busybox:latest', from: 20, takes: 10 },
    { name: '[1/2] FROM docker.io/library/busybox:latest', from: 40, takes: 10 },
  ];
  const image = bake(world, { name: 'contract-built:1', base: 'none', steps: [['RUN echo said', 1000]], age: 0 });
  const { history } = world;
  history.add({
    name: 'files/Dockerfile.good',
    dockerfile: 'Dockerfile.good',
    ago: 5000,
    tags: ['contract-built:1'],
    steps: [
      ...opening('Dockerfile.good'),
      {
        name: '[2/2] RUN echo said; echo told >&2',
        from: 60,
        takes: 200,
        output: [
          [100, 'said'],
          [101, 'told'],
        ],
      },
      { name: 'exporting to image', from: 270, takes: 100 },
    ],
  });
  world.images.add(image, Reference.parse('contract-built:1'));
  history.add({
    name: 'files/Dockerfile.bad',
    dockerfile: 'Dockerfile.bad',
    ago: 3000,
    steps: [
      ...opening('Dockerfile.bad'),
      {
        name: '[2/2] RUN echo why; exit 7',
        from: 60,
        takes: 200,
        output: [[100, 'why']],
        error: 'process "/bin/sh -c echo why; exit 7" did not complete successfully: exit code: 7',
      },
    ],
  });
}
