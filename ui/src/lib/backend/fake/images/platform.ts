import { type Call } from '../core/call';
import { invalid, notFound } from '../core/failure';
import { Fault, parse as parseJson } from '../core/syntax';
import type { World } from '../world';
import type { Image } from './images';

/** What an image runs on: `linux/amd64`, `linux/arm/v7`. */
export class Platform {
  constructor(
    readonly os: string,
    readonly architecture: string,
    readonly variant?: string,
  ) {}

  /** `os/architecture[/variant]`, or an architecture alone. */
  static parse(text: string): Platform {
    const parts = text.split('/');
    if (parts.length > 3 || !parts.every((part) => /^[\w.-]+$/.test(part))) {
      throw invalid(`${JSON.stringify(text)}: cannot parse platform specifier: invalid argument`);
    }
    const [os = '', architecture, variant] = parts.map((part) => part.toLowerCase());
    if (text === 'linux') return HERE;
    return architecture === undefined ? normal('linux', os) : normal(os, architecture, variant);
  }

  /** `{"os": "linux", "architecture": "amd64"}` */
  static ofJson(text: string): Platform {
    const { os, architecture, variant } = decoded(text);
    if (!os || !architecture) throw invalid('both OS and Architecture must be provided');
    return Platform.parse([os, architecture, variant].filter(Boolean).join('/'));
  }

  static of({ os, architecture, variant }: Image): Platform {
    return normal(os, architecture, variant);
  }

  isOf(image: Image): boolean {
    const { os, architecture, variant } = Platform.of(image);
    return os === this.os && architecture === this.architecture && variant === this.variant;
  }

  toString(): string {
    return [this.os, this.architecture, this.variant].filter(Boolean).join('/');
  }
}

const HERE = new Platform('linux', 'amd64');

/** The platform that a request names as words, or as JSON. */
export function asked(call: Call): Platform | undefined {
  const text = call.filled('platform');
  if (text === undefined) return undefined;
  return text.startsWith('{') ? Platform.ofJson(text) : Platform.parse(text);
}

/** The image of a request, which is for the platform that it asks for as JSON. */
export function found(world: World, call: Call): Image {
  if (call.query.getAll('platform').length > 1) throw invalid('multiple platform parameters not supported');
  const text = call.filled('platform');
  return suited(world, call.name, text === undefined ? undefined : Platform.ofJson(text));
}

export function suited(world: World, name: string, wanted: Platform | undefined): Image {
  const image = world.images.find(name);
  if (wanted === undefined || wanted.isOf(image)) return image;
  const those = `its platform (${Platform.of(image)}) does not match the specified platform (${wanted})`;
  throw notFound(`image with reference ${name} was found but ${those}`);
}

function decoded(text: string): { os?: string; architecture?: string; variant?: string } {
  try {
    return (parseJson(text) ?? {}) as { os?: string; architecture?: string; variant?: string };
  } catch (error) {
    throw error instanceof Fault ? invalid(`failed to parse platform: ${error.message}`) : error;
  }
}

/** With the names that OCI uses; the plainest variant has none. */
function normal(os: string, architecture: string, variant?: string): Platform {
  const one = { x86_64: 'amd64', 'x86-64': 'amd64', aarch64: 'arm64', i386: '386', i686: '386' }[architecture];
  const known = one ?? architecture;
  const plain = { amd64: 'v1', arm64: 'v8' }[known];
  return new Platform(os, known, variant === plain || variant === '' ? undefined : variant);
}
