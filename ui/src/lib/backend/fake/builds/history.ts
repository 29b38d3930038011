import type { Build, BuildInspect } from '$lib/api/builds';
import { conflict, notFound } from '../core/failure';
import { Outlet } from '../core/outlet';
import { encode } from '../core/reply';
import { rfc3339 } from '../core/time';
import type { World } from '../world';
import { ScriptedBuild, type Wish } from './script';

/** The builds that the engine remembers. */
export class BuildHistory {
  #all: ScriptedBuild[] = [];
  #seed = 0;

  constructor(readonly world: World) {}

  add(wish: Wish): ScriptedBuild {
    const build = new ScriptedBuild(wish, this.world.clock.now() - wish.ago, ++this.#seed);
    this.#all.push(build);
    return build;
  }

  /** Newest first. */
  list(): Build[] {
    return this.#all.toSorted((a, b) => b.began - a.began).map((build) => this.#summary(build));
  }

  inspect(ref: string): BuildInspect {
    const build = this.#find(ref);
    return { ...this.#summary(build), Vertices: build.vertices(this.world.clock.now()) };
  }

  remove(ref: string): void {
    const build = this.#find(ref);
    if (build.status(this.world.clock.now()) === 'running') throw conflict(`the build ${ref} is running: end it first`);
    this.#all = this.#all.filter((other) => other !== build);
  }

  /** Its log as far as it goes; with `follow` until it ends. */
  read(ref: string, vertex: string | undefined, follow: boolean, signal?: AbortSignal): ReadableStream<Uint8Array> {
    const build = this.#find(ref);
    const { clock } = this.world;
    const outlet = new Outlet(signal);
    const left = build.written(vertex);
    let last: number | undefined;
    let cancel: (() => void) | undefined;
    outlet.whenGone(() => cancel?.());
    const on = () => {
      const now = clock.now();
      while (left[0] !== undefined && left[0].at <= now) {
        const { step, text } = left.shift()!;
        // Steps stand apart from each other, as docker writes them.
        const apart = vertex === undefined && last !== undefined && last !== step;
        outlet.push(encode(`${apart ? '\n' : ''}${text}\n`));
        last = step;
      }
      if (!follow || now >= build.ends) return outlet.end();
      cancel = clock.after(Math.max(1, (left[0]?.at ?? build.ends) - now), on);
    };
    on();
    return outlet.stream;
  }

  #find(ref: string): ScriptedBuild {
    const found = this.#all.find((build) => build.ref === ref);
    if (found === undefined) throw notFound(`no build record found for ref ${ref}`);
    return found;
  }

  #summary(build: ScriptedBuild): Build {
    const { wish, ref, began } = build;
    const { images, clock } = this.world;
    const now = clock.now();
    const status = build.status(now);
    const vertices = build.vertices(now);
    const name = wish.tags?.[0];
    const done = status === 'completed' && name !== undefined && images.has(name);
    return {
      Ref: ref,
      Name: wish.name,
      Dockerfile: wish.dockerfile ?? 'Dockerfile',
      Context: wish.context ?? '',
      Target: wish.target ?? '',
      Platform: wish.platform ?? 'linux/amd64',
      Status: status,
      Error: status === 'error' ? build.error : '',
      CreatedAt: rfc3339(began),
      CompletedAt: build.ended(now),
      Steps: {
        Total: vertices.length,
        Completed: vertices.filter(({ CompletedAt }) => CompletedAt !== null).length,
        Cached: vertices.filter(({ Cached }) => Cached).length,
        Warnings: wish.warnings ?? 0,
      },
      Tags: (wish.tags ?? []).map(canonical),
      ImageID: done ? images.find(name).id : '',
    };
  }
}

/** As BuildKit names images: with their registry, and a library's official ones with its name. */
function canonical(name: string): string {
  const first = name.split('/', 1)[0]!;
  if (!name.includes('/')) return `docker.io/library/${name}`;
  return /[.:]|^localhost$/.test(first) ? name : `docker.io/${name}`;
}
