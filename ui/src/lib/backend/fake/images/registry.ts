import { Failure, notFound, system } from '../core/failure';
import type { Image } from './images';
import { Reference } from './reference';

export interface Found {
  name: string;
  description: string;
  stars: number;
  official: boolean;
  /** Whose index has it; Docker Hub's if it is left out. */
  at?: string;
}

/** The registries of a simulated world: what is in them, and what they refuse. */
export class Registry {
  /** Images by their familiar reference. Each pull makes its own copy. */
  readonly images = new Map<string, () => Image>();
  readonly index: Found[] = [];
  /** Hosts of registries that have nothing yet. */
  readonly domains = new Set<string>();
  /** Repositories that want other credentials. */
  readonly denied = new Set<string>();
  /** A pull of this one breaks off after so many bytes of its layers, so many times. */
  readonly breaking = new Map<string, { after: number; times: number; message: string }>();
  /** Bytes a second, of all layers together. */
  speed = 12_000_000;

  publish(name: string, image: () => Image): void {
    this.images.set(Reference.parse(name).orLatest().familiar, image);
  }

  look(reference: Reference): Image {
    if (reference.domain !== 'docker.io' && !this.#knows(reference.domain)) {
      const address = `https://${reference.domain}/v2/`;
      throw system(`Get "${address}": dial tcp: lookup ${reference.domain.split(':')[0]}: no such host`);
    }
    const name = reference.familiarName;
    const tags = this.tags(reference);
    if (this.denied.has(name) || tags.length === 0) {
      const words = 'denied: requested access to the resource is denied';
      throw notFound(
        `pull access denied for ${name}, repository does not exist or may require 'docker login': ${words}`,
      );
    }
    if (reference.digest !== undefined) {
      const all = [...this.images.entries()].filter(([known]) => Reference.parse(known).name === reference.name);
      const found = all.map(([, image]) => image()).find((image) => image.manifest === reference.digest);
      if (found) return found;
    }
    const image = this.images.get(reference.familiar);
    if (image === undefined) {
      throw notFound(`manifest for ${reference.familiar} not found: manifest unknown: manifest unknown`);
    }
    return image();
  }

  tags(reference: Reference): string[] {
    return [...this.images.keys()]
      .map((name) => Reference.parse(name))
      .filter((known) => known.name === reference.name)
      .map((known) => known.tag!);
  }

  #knows(domain: string): boolean {
    return this.domains.has(domain) || [...this.images.keys()].some((name) => Reference.parse(name).domain === domain);
  }

  /** A term whose first part is a host is for that one's index. */
  search(term: string, limit: number): Found[] {
    const [, host, rest] = /^([^/]*[.:][^/]*|localhost)\/(.*)$/.exec(term) ?? [undefined, undefined, term];
    const wanted = rest!.replace(/^library\//, '');
    return this.index
      .filter(({ at }) => at === host)
      .filter(({ name, description }) => name.includes(wanted) || description.toLowerCase().includes(wanted))
      .slice(0, limit || 25);
  }

  /** Refuses a push to where nobody may write. */
  mayPush(reference: Reference, signedIn: boolean): void {
    if (reference.domain === 'docker.io' && !signedIn) {
      throw new Failure(
        403,
        'push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
      );
    }
  }
}
