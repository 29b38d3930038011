import { Refused } from '$lib/api/call';
import * as images from '$lib/api/images';
import type { ContainerSummary, ImageInspect } from '$lib/api/generated';
import type { Backend } from '$lib/backend/backend';
import { blank, fill, request } from '$features/images/run/form';
import { launch, type Step } from '$features/images/run/launch';
import { suggest, taken } from '$features/images/run/ports';
import { user } from '$features/images/rows';

export type Sample = 'web' | 'hello' | 'other';

/** What each is made of; `other` is what the person types. */
export const IMAGES: Record<Exclude<Sample, 'other'>, string> = { web: 'nginx:alpine', hello: 'hello-world' };

/** What the first container is to be called. */
const NAMES: Record<Sample, string> = { web: 'first-web', hello: 'first-hello', other: 'first' };

export interface Going {
  sample: Sample;
  image: string;
  containers: readonly ContainerSummary[];
  signal: AbortSignal;
  step: (step: Step) => void;
  /** Fetches the image; rejects if it cannot be had. */
  pull: () => Promise<void>;
}

export interface Ran {
  id: string;
  name: string;
  /** Where a browser finds it; undefined if it publishes nothing. */
  address: string | undefined;
}

/** Runs an image with all its ports published on free ones of this computer; fetches it first where it is not there. */
export async function run(backend: Backend, { sample, image, containers, signal, step, pull }: Going): Promise<Ran> {
  const source = await had(backend, image, { signal, step, pull });
  const held = taken(containers);
  const form = fill(blank(image), source.Config, (port, protocol) => suggest(port, protocol, held));
  const name = free(NAMES[sample], containers);
  const created = await launch(backend, {
    request: request({ ...form, name }, source),
    name,
    signal,
    step,
    pull,
  });
  const port = form.ports.find((row) => row.protocol === 'tcp' && /^\d+$/.test(row.host))?.host;
  return { id: created.Id, name, address: port && `http://localhost:${port}` };
}

async function had(
  backend: Backend,
  image: string,
  { signal, step, pull }: Pick<Going, 'signal' | 'step' | 'pull'>,
): Promise<ImageInspect> {
  try {
    return await images.inspect(backend, image, { signal });
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
  }
  step('pull');
  await pull();
  signal.throwIfAborted();
  return images.inspect(backend, image, { signal });
}

/** The name, or the first of `name-2`, `name-3` that no container has. */
function free(name: string, containers: readonly ContainerSummary[]): string {
  const used = new Set(containers.map((one) => user(one).name));
  for (let n = 1; ; n += 1) {
    const wanted = n === 1 ? name : `${name}-${n}`;
    if (!used.has(wanted)) return wanted;
  }
}
