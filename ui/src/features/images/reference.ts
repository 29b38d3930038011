/**
 * Names of images: `registry/repository:tag@digest`. The grammar is the engine's (`vm-agent/images/src/reference.rs`), so that what it
 * would refuse is said while it is typed.
 */
export type Reference = { name: string; tag?: string; digest?: string };

/** Why a text is no name of an image; the texts are in `i18n`. */
export type BadReference = 'empty' | 'hexadecimal' | 'capitals' | 'long' | 'format';

const HUB = 'docker.io';
const MAX_NAME = 255;
const HOST =
  /^(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?$/;
const ADDRESS = /^\[[0-9a-fA-F:]+\](?::[0-9]+)?$/;
const PART = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** `text` cut into its parts; only whether it is cut well is not looked at. */
export function split(text: string): Reference {
  const [named = '', digest] = cut(text, text.indexOf('@'));
  const colon = named.lastIndexOf(':');
  // A colon before a slash is a registry's port.
  const [name = '', tag] = colon > named.lastIndexOf('/') ? cut(named, colon) : [named];
  return { name, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

function cut(text: string, at: number): [string, string?] {
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** What keeps `text` from being a name; `undefined` if nothing does. */
export function fault(text: string): BadReference | undefined {
  if (text === '') return 'empty';
  if (/^[0-9a-f]{64}$/.test(text)) return 'hexadecimal';
  const { name, tag, digest } = split(text);
  const { registry, path } = home(name);
  if (/[A-Z]/.test(path)) return 'capitals';
  const isRegistry = HOST.test(registry) || ADDRESS.test(registry);
  if (!isRegistry || !path.split('/').every((part) => PART.test(part))) return 'format';
  if ((tag !== undefined && !TAG.test(tag)) || (digest !== undefined && !DIGEST.test(digest))) return 'format';
  return registry.length + 1 + path.length > MAX_NAME ? 'long' : undefined;
}

/** Where an image comes from: the familiar `busybox` is `library/busybox` of Docker Hub. */
export function home(name: string): { registry: string; path: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isRegistry = first !== '' && (/[.:A-Z]/.test(first) || first === 'localhost');
  let [registry, path] = isRegistry ? [first, name.slice(slash + 1)] : [HUB, name];
  if (registry === 'index.docker.io') registry = HUB;
  if (registry === HUB && !path.includes('/')) path = `library/${path}`;
  return { registry, path };
}

/** With `:latest` where neither a tag nor a digest is given: what the engine takes a name for, except in a pull. */
export function whole(text: string): string {
  const { tag, digest } = split(text);
  return tag === undefined && digest === undefined ? `${text}:latest` : text;
}

/** One form for all ways to write a name, to compare by: `docker.io/library/busybox:latest`. */
export function canonical(text: string): string {
  const { name, tag, digest } = split(whole(text));
  const { registry, path } = home(name);
  return `${registry}/${path}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}
