import { invalid } from '../core/failure';

/** `registry/repository:tag@digest`, normalised as the engine does: `nginx` is `docker.io/library/nginx`. */
export class Reference {
  constructor(
    readonly domain: string,
    readonly path: string,
    readonly tag?: string,
    readonly digest?: string,
  ) {}

  static parse(text: string): Reference {
    if (/^[0-9a-f]{64}$/.test(text)) {
      throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
    }
    const [name, digest] = cut(text, text.indexOf('@'));
    if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest)) throw invalid('invalid reference format');
    const [domain, remainder] = split(name);
    const [path, tag] = cut(remainder, remainder.lastIndexOf(':'));
    if (/[A-Z]/.test(path)) {
      throw invalid(`invalid reference format: repository name (${path}) must be lowercase`);
    }
    if (!DOMAIN.test(domain) || !PATH.test(path) || (tag !== undefined && !TAG.test(tag))) {
      throw invalid('invalid reference format');
    }
    if (domain.length + 1 + path.length > 255) throw invalid('repository name must not be more than 255 characters');
    return new Reference(domain, path, tag, digest);
  }

  /** A name that is here already, whatever it looks like. */
  static known(familiar: string): Reference {
    const [name, digest] = cut(familiar, familiar.indexOf('@'));
    const [domain, remainder] = split(name);
    const colon = remainder.lastIndexOf(':');
    const [path, tag] = cut(remainder, remainder.slice(colon).includes('/') ? -1 : colon);
    return new Reference(domain, path, tag, digest);
  }

  orLatest(): Reference {
    return this.tag === undefined && this.digest === undefined ? this.withTag('latest') : this;
  }

  withTag(tag: string): Reference {
    return new Reference(this.domain, this.path, tag);
  }

  withDigest(digest: string): Reference {
    return new Reference(this.domain, this.path, undefined, digest);
  }

  /** `docker.io/library/nginx` */
  get name(): string {
    return `${this.domain}/${this.path}`;
  }

  /** `nginx` */
  get familiarName(): string {
    if (this.domain !== HUB) return this.name;
    const short = this.path.startsWith(OFFICIAL) ? this.path.slice(OFFICIAL.length) : this.path;
    return short.includes('/') ? this.path : short;
  }

  /** `nginx:1.27` */
  get familiar(): string {
    return `${this.familiarName}${this.tag === undefined ? '' : `:${this.tag}`}${this.digest === undefined ? '' : `@${this.digest}`}`;
  }

  get tagOrDigest(): string {
    return this.digest ?? this.tag ?? 'latest';
  }
}

const HUB = 'docker.io';
const OFFICIAL = 'library/';
const DOMAIN =
  /^([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(:\d+)?$/;
const PATH = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

function split(name: string): [string, string] {
  const at = name.indexOf('/');
  const first = name.slice(0, Math.max(at, 0));
  const names = at >= 0 && (/[.:A-Z]/.test(first) || first === 'localhost');
  const domain = !names || first === 'index.docker.io' ? HUB : first;
  const remainder = names ? name.slice(at + 1) : name;
  return [domain, domain === HUB && !remainder.includes('/') ? OFFICIAL + remainder : remainder];
}

function cut(text: string, at: number): [string, string | undefined] {
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
