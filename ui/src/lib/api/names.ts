import type { ContainerInspect, ContainerSummary } from './generated';

/** The container's own name: links of other containers add names with a second slash. */
export function nameOf({ Names, Id }: Pick<ContainerSummary, 'Names' | 'Id'>): string {
  const names = Names ?? [];
  const own = names.find((name) => name.lastIndexOf('/') === 0) ?? names[0];
  return own === undefined ? shortId(Id) : plain(own);
}

/** The same of one that was asked for. */
export function nameIn({ Name }: Pick<ContainerInspect, 'Name'>): string {
  return plain(Name);
}

/** The twelve figures that people know a container or an image by. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}

function plain(name: string): string {
  return name.replace(/^\//, '');
}
