/** The files of an image, a container or a volume. */
export type Node = Folder | File | Link;

interface Common {
  /** Permission bits. */
  mode: number;
  /** Milliseconds since the epoch. */
  time: number;
  uid: number;
  gid: number;
}
export interface Folder extends Common {
  kind: 'folder';
  children: Map<string, Node>;
}
export interface File extends Common {
  kind: 'file';
  content: Uint8Array;
}
export interface Link extends Common {
  kind: 'link';
  to: string;
}

export type Attributes = Partial<Common>;

/** What a path leads to fails: the words are libc's. */
export class PathError extends Error {
  constructor(readonly code: 'ENOENT' | 'ENOTDIR' | 'EISDIR' | 'EEXIST' | 'ELOOP' | 'ENOTEMPTY') {
    super(WORDS[code]);
  }
}

const WORDS = {
  ENOENT: 'No such file or directory',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EEXIST: 'File exists',
  ELOOP: 'Symbolic link loop',
  ENOTEMPTY: 'Directory not empty',
};
const MOST_LINKS = 40;

export function folder(attributes: Attributes = {}): Folder {
  return { kind: 'folder', children: new Map(), mode: 0o755, time: 0, uid: 0, gid: 0, ...attributes };
}

export function file(content: string | Uint8Array, attributes: Attributes = {}): File {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { kind: 'file', content: bytes, mode: 0o644, time: 0, uid: 0, gid: 0, ...attributes };
}

export function link(to: string, attributes: Attributes = {}): Link {
  return { kind: 'link', to, mode: 0o777, time: 0, uid: 0, gid: 0, ...attributes };
}

/** A copy that can be changed without the original. The bytes of files are never changed in place, and shared. */
export function copy<T extends Node>(node: T): T {
  if (node.kind !== 'folder') return { ...node };
  return { ...node, children: new Map([...node.children].map(([name, child]) => [name, copy(child)])) };
}

/** The parts of `path` without `.`, `..` and empty ones. */
export function parts(path: string): string[] {
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') kept.pop();
    else if (part !== '' && part !== '.') kept.push(part);
  }
  return kept;
}

/** A tree with other trees mounted in it: volumes, by their destinations. */
export class Tree {
  readonly root: Folder;
  readonly mounts = new Map<string, Folder>();

  constructor(root: Folder = folder()) {
    this.root = root;
  }

  mount(at: string, what: Folder, time = 0): void {
    this.makeFolder(at, { time });
    this.mounts.set(`/${parts(at).join('/')}`, what);
  }

  /** What is at `path`; a link at its end is followed unless `follow` is false. */
  find(path: string, follow = true): Node {
    return this.#walk(parts(path), follow, 0).node;
  }

  /** The same with the path that it has once every link is followed. */
  resolve(path: string): { node: Node; path: string } {
    return this.#walk(parts(path), true, 0);
  }

  has(path: string): boolean {
    try {
      this.find(path);
      return true;
    } catch {
      return false;
    }
  }

  folder(path: string): Folder {
    const found = this.find(path);
    if (found.kind !== 'folder') throw new PathError('ENOTDIR');
    return found;
  }

  read(path: string): Uint8Array {
    const found = this.find(path);
    if (found.kind !== 'file') throw new PathError('EISDIR');
    return found.content;
  }

  text(path: string): string {
    return new TextDecoder().decode(this.read(path));
  }

  /** Writes a file, over one that is there. */
  write(path: string, content: string | Uint8Array, attributes: Attributes = {}): void {
    const [at, name] = this.#place(path);
    const before = at.children.get(name);
    if (before?.kind === 'folder') throw new PathError('EISDIR');
    const kept = before?.kind === 'file' ? { mode: before.mode, uid: before.uid, gid: before.gid } : {};
    at.children.set(name, file(content, { ...kept, ...attributes }));
  }

  put(path: string, node: Node): void {
    const [at, name] = this.#place(path);
    at.children.set(name, node);
  }

  /** Makes a folder and those above it; one that is there stays. */
  makeFolder(path: string, attributes: Attributes = {}): Folder {
    let at: Folder = this.root;
    let done = '';
    for (const name of parts(path)) {
      done = `${done}/${name}`;
      let next: Node | undefined = this.mounts.get(done) ?? at.children.get(name);
      if (next?.kind === 'link') next = this.find(done);
      if (next === undefined) {
        next = folder(attributes);
        at.children.set(name, next);
      }
      if (next.kind !== 'folder') throw new PathError('ENOTDIR');
      at = next;
    }
    return at;
  }

  remove(path: string, recursive = false): void {
    const [at, name] = this.#place(path);
    const found = at.children.get(name);
    if (found === undefined) throw new PathError('ENOENT');
    if (found.kind === 'folder' && !recursive) throw new PathError('EISDIR');
    at.children.delete(name);
  }

  #place(path: string): [Folder, string] {
    const names = parts(path);
    const name = names.pop();
    if (name === undefined) throw new PathError('EISDIR');
    const { node } = this.#walk(names, true, 0);
    if (node.kind !== 'folder') throw new PathError('ENOTDIR');
    return [node, name];
  }

  #walk(names: string[], follow: boolean, links: number): { node: Node; path: string } {
    let node: Node = this.root;
    let path = '';
    for (const [index, name] of names.entries()) {
      if (node.kind !== 'folder') throw new PathError('ENOTDIR');
      const next: Node | undefined = this.mounts.get(`${path}/${name}`) ?? node.children.get(name);
      if (next === undefined) throw new PathError('ENOENT');
      const last = index === names.length - 1;
      if (next.kind === 'link' && (!last || follow)) {
        if (links >= MOST_LINKS) throw new PathError('ELOOP');
        const target = next.to.startsWith('/') ? next.to : `${path}/${next.to}`;
        return this.#walk([...parts(target), ...names.slice(index + 1)], follow, links + 1);
      }
      node = next;
      path = `${path}/${name}`;
    }
    return { node, path: path || '/' };
  }
}

/** The bytes in all files. */
export function size(node: Node): number {
  if (node.kind === 'file') return node.content.length;
  if (node.kind === 'link') return node.to.length;
  return [...node.children.values()].reduce((sum, child) => sum + size(child), 0);
}

export type Change = { Path: string; Kind: 0 | 1 | 2 };

/** How `now` differs from `before`: what was modified (0), added (1) and deleted (2), in the order of names. */
export function changes(before: Folder, now: Folder, path = ''): Change[] {
  const found: Change[] = [];
  for (const name of [...new Set([...before.children.keys(), ...now.children.keys()])].toSorted()) {
    const [old, here, at] = [before.children.get(name), now.children.get(name), `${path}/${name}`];
    if (here === undefined) found.push({ Path: at, Kind: 2 });
    else if (old === undefined) found.push({ Path: at, Kind: 1 }, ...below(here, at));
    else if (old.kind === 'folder' && here.kind === 'folder') {
      const inside = changes(old, here, at);
      if (inside.length > 0) found.push({ Path: at, Kind: 0 }, ...inside);
    } else if (!same(old, here)) found.push({ Path: at, Kind: 0 });
  }
  return found;
}

function below(node: Node, path: string): Change[] {
  return node.kind === 'folder' ? changes(folder(), node, path) : [];
}

function same(one: Node, other: Node): boolean {
  if (one.kind === 'file' && other.kind === 'file') return one.content === other.content && one.mode === other.mode;
  return one.kind === 'link' && other.kind === 'link' && one.to === other.to;
}
