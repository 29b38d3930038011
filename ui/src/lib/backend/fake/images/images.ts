import type { ImageConfig } from '$lib/api/generated';
import { Failure, invalid, notFound } from '../core/failure';
import { type Folder, folder } from '../files/tree';
import type { Behaviour } from '../process/behaviour';
import type { World } from '../world';
import { Reference } from './reference';

export interface Layer {
  diffId: string;
  /** Of the packed layer in the registry, and its bytes. */
  blob: string;
  packed: number;
  /** Bytes in its files. */
  size: number;
}

/** One step of an image's making; one that wrote no files has no layer. */
export interface Step {
  created: number;
  createdBy: string;
  comment: string;
  layer?: Layer;
}

export interface Image {
  id: string;
  /** Milliseconds; `undefined` where the image does not say. */
  created: number | undefined;
  author: string;
  comment: string;
  architecture: string;
  os: string;
  variant?: string;
  config: ImageConfig;
  steps: Step[];
  /** What the registry calls it. */
  manifest: string;
  parent?: string;
  lastTagged?: number;
  /** What containers of it begin with. */
  files: Folder;
  /** What its programs do, by the last part of their path. */
  programs: Record<string, Behaviour>;
}

export const NO_CONFIG: ImageConfig = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: '',
  Volumes: null,
  WorkingDir: '',
};

export function layers(image: Image): Layer[] {
  return image.steps.flatMap((step) => (step.layer === undefined ? [] : [step.layer]));
}

export function sizeOf(image: Image): number {
  return layers(image).reduce((sum, layer) => sum + layer.size, 0);
}

export function short(digest: string): string {
  return digest.replace('sha256:', '').slice(0, 12);
}

/** The images that are here, and the names that they have. */
export class Images {
  readonly all = new Map<string, Image>();
  /** Familiar references, `nginx:1.27` and `nginx@sha256:…`, to IDs. */
  readonly references = new Map<string, string>();

  constructor(readonly world: World) {}

  add(image: Image, ...references: Reference[]): Image {
    this.all.set(image.id, image);
    for (const reference of references) this.name(image, reference);
    return image;
  }

  name(image: Image, reference: Reference): void {
    this.references.set(reference.familiar, image.id);
    if (reference.digest === undefined) image.lastTagged = this.world.now();
  }

  /** By reference, by ID or the beginning of one. */
  find(name: string): Image {
    return this.look(name).image;
  }

  /** The image with the reference by which it was named; none when it was by its ID. */
  look(name: string): { image: Image; reference?: Reference } {
    if (/^(sha256:)?[0-9a-f]+$/.test(name)) {
      const hex = name.replace('sha256:', '');
      const found = [...this.all.values()].filter((image) => image.id.slice(7).startsWith(hex));
      const named = hex.length < 64 && !name.startsWith('sha256:') ? this.references.get(`${name}:latest`) : undefined;
      if (named === undefined && found.length > 1) {
        throw invalid(`"${name}" is ambiguous: it is the beginning of several image IDs`);
      }
      if (named === undefined && found[0] !== undefined) return { image: found[0] };
      if (/^(sha256:)?[0-9a-f]{64}$/.test(name)) throw notFound(`No such image: ${name}`);
    }
    const reference = Reference.parse(name).orLatest();
    const id = this.references.get(reference.familiar);
    const image = id === undefined ? undefined : this.all.get(id);
    if (image === undefined) throw notFound(`No such image: ${reference.familiar}`);
    return { image, reference };
  }

  has(name: string): boolean {
    try {
      this.find(name);
      return true;
    } catch (error) {
      if (error instanceof Failure) return false;
      throw error;
    }
  }

  tags(image: Image): string[] {
    return this.#names(image).filter((name) => !name.includes('@'));
  }

  digests(image: Image): string[] {
    return this.#names(image).filter((name) => name.includes('@'));
  }

  names(image: Image): Reference[] {
    return this.#names(image).map((name) => Reference.known(name));
  }

  #names(image: Image): string[] {
    return [...this.references]
      .filter(([, id]) => id === image.id)
      .map(([name]) => name)
      .toSorted();
  }

  children(image: Image): Image[] {
    return [...this.all.values()].filter((other) => other.parent === image.id);
  }

  /** A step on the way to others, which nobody names. */
  isIntermediate(image: Image): boolean {
    return this.#names(image).length === 0 && this.children(image).length > 0;
  }

  emit(action: string, actor: string, name: string, image?: Image): void {
    this.world.bus.emit('image', action, actor, { ...(image?.config.Labels ?? {}), name });
  }
}

/** An image without any files of its own to tell, for what is made of nothing. */
export function blank(world: World): Image {
  return {
    id: world.random.digest(),
    created: world.now(),
    author: '',
    comment: '',
    architecture: world.machine.architecture,
    os: 'linux',
    config: { ...NO_CONFIG },
    steps: [],
    manifest: world.random.digest(),
    files: folder(),
    programs: {},
  };
}
