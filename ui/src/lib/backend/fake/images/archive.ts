import type { ImageConfig } from '$lib/api/generated';
import { Failure, notFound, system } from '../core/failure';
import { type Entry, pack, unpack } from '../files/tar';
import { type Folder, Tree, copy, folder, size } from '../files/tree';
import type { World } from '../world';
import { type Image, NO_CONFIG, blank, layers } from './images';
import type { Sink } from './progress';
import { Reference } from './reference';

interface Manifest {
  Config: string;
  RepoTags: string[] | null;
  Layers: string[];
}

/** Images with their names as `docker save` writes them. Simulated layers hold the image's few files, in the topmost. */
export function save(world: World, names: string[]): Uint8Array {
  const chosen = new Map<Image, string[]>();
  for (const name of names) {
    for (const { image, reference } of wanted(world, name)) {
      const tags = chosen.get(image) ?? [];
      chosen.set(image, reference?.tag === undefined ? tags : [...tags, reference.familiar]);
    }
  }
  const archive = new Tree();
  const manifest: Manifest[] = [];
  for (const [image, tags] of chosen) {
    const stack = layers(image);
    const config = `blobs/sha256/${image.id.slice(7)}`;
    const paths = stack.map((layer) => `blobs/sha256/${layer.diffId.slice(7)}`);
    const history = image.steps.map((step) => ({
      created: new Date(step.created).toISOString(),
      created_by: step.createdBy,
      comment: step.comment,
      ...(step.layer === undefined ? { empty_layer: true } : {}),
    }));
    const document = {
      architecture: image.architecture,
      os: image.os,
      ...(image.created === undefined ? {} : { created: new Date(image.created).toISOString() }),
      config: image.config,
      history,
      rootfs: { type: 'layers', diff_ids: stack.map((layer) => layer.diffId) },
    };
    archive.makeFolder('blobs/sha256');
    archive.write(config, JSON.stringify(document));
    paths.forEach((path, index) => archive.write(path, pack('', index === paths.length - 1 ? image.files : folder())));
    manifest.push({ Config: config, RepoTags: tags.length > 0 ? tags : null, Layers: paths });
    world.images.emit('save', image.id, image.id, image);
  }
  archive.write('manifest.json', JSON.stringify(manifest));
  return pack('', archive.root);
}

/** What a name means: every tag of a repository, or one image by its tag, digest or ID. */
function wanted({ images }: World, name: string): { image: Image; reference?: Reference }[] {
  const parsed = tried(name);
  const isWhole = parsed?.tag !== undefined || parsed?.digest !== undefined;
  const tagged = [...images.references]
    .flatMap(([familiar, id]) => {
      const image = images.all.get(id);
      return image === undefined ? [] : [{ image, reference: Reference.known(familiar) }];
    })
    .filter(({ reference }) => !isWhole && reference.tag !== undefined && reference.name === parsed?.name);
  if (tagged.length > 0) return tagged;
  try {
    return [images.look(name)];
  } catch (error) {
    if (!(error instanceof Failure) || error.status !== 404) throw error;
    throw notFound(isWhole && !name.startsWith('sha256:') ? 'reference does not exist' : `No such image: ${name}`);
  }
}

function tried(name: string): Reference | undefined {
  try {
    return Reference.parse(name);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** Images from such an archive, ours or another engine's. */
export function load(world: World, bytes: Uint8Array, sink: Sink): void {
  const entries = read(bytes);
  const find = (name: string) => entries.find((entry) => entry.name.replace(/^\.\//, '') === name);
  const text = (name: string) => {
    const node = find(name)?.node;
    if (node?.kind !== 'file') throw system(`open ${name}: no such file or directory`);
    return new TextDecoder().decode(node.content);
  };
  for (const { Config: path, RepoTags: tags, Layers: paths } of JSON.parse(text('manifest.json')) as Manifest[]) {
    const document = JSON.parse(text(path)) as Document;
    const id = `sha256:${path.replace('blobs/sha256/', '').replace(/\.json$/, '')}`;
    const image = world.images.all.get(id) ?? imageOf(world, id, document, paths, find);
    world.images.add(image);
    for (const tag of tags ?? []) {
      world.images.name(image, Reference.parse(tag));
      sink.send({ stream: `Loaded image: ${tag}\n` });
    }
    if (!tags?.length) sink.send({ stream: `Loaded image ID: ${id}\n` });
    world.images.emit('load', id, id, image);
  }
}

interface Document {
  architecture?: string;
  os?: string;
  created?: string;
  config?: Partial<ImageConfig>;
  history?: { created?: string; created_by?: string; comment?: string; empty_layer?: boolean }[];
  rootfs?: { diff_ids?: string[] };
}

function imageOf(
  world: World,
  id: string,
  document: Document,
  paths: string[],
  find: (name: string) => Entry | undefined,
): Image {
  const diffIds = [...(document.rootfs?.diff_ids ?? [])];
  const history: NonNullable<Document['history']> = document.history ?? diffIds.map(() => ({}));
  const files = new Tree();
  let next = 0;
  const steps = history.map((step) => {
    const layer = step.empty_layer ? undefined : layerOf(world, diffIds[next], find(paths[next++] ?? ''), files);
    return {
      created: Date.parse(step.created ?? '') || 0,
      createdBy: step.created_by ?? '',
      comment: step.comment ?? '',
      layer,
    };
  });
  const created = Date.parse(document.created ?? '');
  return {
    ...blank(world),
    id,
    created: Number.isNaN(created) ? undefined : created,
    architecture: document.architecture ?? world.machine.architecture,
    os: document.os ?? 'linux',
    config: { ...NO_CONFIG, ...document.config },
    steps,
    files: files.root,
  };
}

function layerOf(world: World, diffId: string | undefined, entry: Entry | undefined, files: Tree) {
  const content = entry?.node.kind === 'file' ? entry.node.content : new Uint8Array();
  for (const { name, node } of content.length > 0 ? read(content) : []) {
    if (node.kind === 'folder') files.makeFolder(name, node);
    else {
      files.makeFolder(name.split('/').slice(0, -1).join('/'));
      files.put(name, node);
    }
  }
  return {
    diffId: diffId ?? world.random.digest(),
    blob: world.random.digest(),
    packed: content.length,
    size: content.length,
  };
}

/** An image of one layer from the archive of a whole tree. */
export function imported(world: World, bytes: Uint8Array, comment: string): Image {
  const tree = new Tree();
  for (const { name, node } of read(bytes)) {
    if (node.kind === 'folder') tree.makeFolder(name, node);
    else {
      tree.makeFolder(name.split('/').slice(0, -1).join('/'));
      tree.put(name, copy(node));
    }
  }
  const root: Folder = tree.root;
  const layer = { diffId: world.random.digest(), blob: world.random.digest(), packed: bytes.length, size: size(root) };
  const created = world.now();
  return { ...blank(world), created, comment, steps: [{ created, createdBy: '', comment, layer }], files: root };
}

function read(bytes: Uint8Array): Entry[] {
  try {
    return unpack(bytes);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw system((error as Error).message);
  }
}
