/** One line of a tree of JSON. */
export type Node = {
  /** Unique in the tree; of the root the empty one. */
  id: string;
  /** The key or place under its parent; undefined of the root. */
  name: string | number | undefined;
  value: unknown;
  depth: number;
  /** Whether there is something below it. */
  branch: boolean;
};

export function isBranch(value: unknown): value is Record<string, unknown> | unknown[] {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

/** The identity of a child. A key may hold anything, so it is written as JSON. */
export function childId(parent: string, name: string | number): string {
  return `${parent}/${JSON.stringify(name)}`;
}

function* children(value: Record<string, unknown> | unknown[]): Generator<[string | number, unknown]> {
  if (Array.isArray(value)) yield* value.entries();
  else yield* Object.entries(value);
}

/** The lines that show while just the branches in `open` are unfolded. */
export function flat(root: unknown, open: ReadonlySet<string>): Node[] {
  const nodes: Node[] = [];
  const add = (id: string, name: Node['name'], value: unknown, depth: number) => {
    const branch = isBranch(value);
    nodes.push({ id, name, value, depth, branch });
    if (branch && open.has(id)) {
      for (const [key, child] of children(value)) add(childId(id, key), key, child, depth + 1);
    }
  };
  add('', undefined, root, 0);
  return nodes;
}

/** Every branch, down to `depth` levels. */
export function branches(root: unknown, depth = Infinity): Set<string> {
  const found = new Set<string>();
  const visit = (id: string, value: unknown, level: number) => {
    if (!isBranch(value) || level >= depth) return;
    found.add(id);
    for (const [key, child] of children(value)) visit(childId(id, key), child, level + 1);
  };
  visit('', root, 0);
  return found;
}

/** The lines, of the whole tree, whose key or plain value holds `text`, in order; and the branches above each. */
export function matches(root: unknown, text: string): { id: string; above: string[] }[] {
  const wanted = text.toLocaleLowerCase();
  if (wanted === '') return [];
  const found: { id: string; above: string[] }[] = [];
  const visit = (id: string, name: string | number | undefined, value: unknown, above: string[]) => {
    const shown = isBranch(value) ? '' : plain(value);
    const key = typeof name === 'string' ? name : '';
    if (key.toLocaleLowerCase().includes(wanted) || shown.toLocaleLowerCase().includes(wanted))
      found.push({ id, above });
    if (isBranch(value)) {
      const below = [...above, id];
      for (const [child, of] of children(value)) visit(childId(id, child), child, of, below);
    }
  };
  visit('', undefined, root, []);
  return found;
}

/** A leaf as it is shown. */
export function plain(value: unknown): string {
  if (typeof value === 'string') return value;
  return JSON.stringify(value) ?? 'undefined';
}

const NAME = /^[\p{L}_$][\p{L}\p{N}_$]*$/u;

/** The path to a line as `docker inspect`'s users write it for jq: `.Config.Env[0]`. */
export function pathOf(id: string): string {
  if (id === '') return '.';
  let path = '';
  for (const part of parts(id)) {
    if (typeof part === 'number') path += `${path === '' ? '.' : ''}[${part}]`;
    else if (NAME.test(part)) path += `.${part}`;
    else path += `${path === '' ? '.' : ''}[${JSON.stringify(part)}]`;
  }
  return path;
}

function parts(id: string): (string | number)[] {
  const found: (string | number)[] = [];
  for (const match of id.matchAll(/\/("(?:[^"\\]|\\.)*"|\d+)/g)) found.push(JSON.parse(match[1]!) as string | number);
  return found;
}

/** A value as text for the clipboard: a string as it is, all else as JSON. */
export function copied(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}
