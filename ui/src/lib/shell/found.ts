import type { ContainerSummary, ImageSummary, NetworkInspect, Volume } from '$lib/api/generated';
import { nameOf } from '$lib/api/names';
import type { IconName } from '$lib/kit/icons';
import { match, type Match } from './fuzzy';
import { projectsIn } from './projects';
import { link } from './route.svelte';

export type Kind = 'commands' | 'containers' | 'projects' | 'images' | 'volumes' | 'networks';

/** Something that the palette can find. */
export type Entry = {
  id: string;
  kind: Kind;
  icon?: IconName;
  title: string;
  /** Beside the title. */
  detail?: string;
  /** What else it is found by, not shown. */
  keywords?: string;
  shortcut?: string;
  /** Where it leads, or what it does. */
  does: { href: string } | { run: () => void };
};

export type Found = { entry: Entry; ranges: Match['ranges'] };

/** More are not looked through: another letter finds better. */
export const MOST = 60;

/** The entries that a query means, best first; without one the commands as they are. */
export function find(query: string, entries: Entry[]): Found[] {
  if (query.trim() === '') {
    return entries.filter((entry) => entry.kind === 'commands').map((entry) => ({ entry, ranges: [] }));
  }
  const found: (Found & { score: number })[] = [];
  for (const entry of entries) {
    const meant = match(query, entry.title, `${entry.detail ?? ''} ${entry.keywords ?? ''}`);
    if (meant !== undefined) found.push({ entry, ...meant });
  }
  // The order of the entries decides between equals: sorting is stable.
  return found.sort((one, other) => other.score - one.score).slice(0, MOST);
}

export function ofContainers(list: ContainerSummary[]): Entry[] {
  return list.map((one) => ({
    id: `container ${one.Id}`,
    kind: 'containers',
    icon: 'containers',
    title: nameOf(one),
    detail: one.Image,
    keywords: one.Id.slice(0, 12),
    does: { href: link('containers', [one.Id]) },
  }));
}

export function ofProjects(list: ContainerSummary[]): Entry[] {
  return projectsIn(list).map((name) => ({
    id: `project ${name}`,
    kind: 'projects',
    icon: 'projects',
    title: name,
    does: { href: link('projects', [name]) },
  }));
}

export function ofImages(list: ImageSummary[]): Entry[] {
  return list.flatMap((one) =>
    (one.RepoTags ?? []).map((tag): Entry => {
      const id = one.Id.replace(/^sha256:/, '').slice(0, 12);
      return {
        id: `image ${one.Id} ${tag}`,
        kind: 'images',
        icon: 'images',
        title: tag,
        detail: id,
        does: { href: link('images', [one.Id]) },
      };
    }),
  );
}

export function ofVolumes(list: Volume[]): Entry[] {
  return list.map((one) => ({
    id: `volume ${one.Name}`,
    kind: 'volumes',
    icon: 'volumes',
    title: one.Name,
    does: { href: link('volumes', [one.Name]) },
  }));
}

export function ofNetworks(list: NetworkInspect[]): Entry[] {
  return list.map((one) => ({
    id: `network ${one.Id}`,
    kind: 'networks',
    icon: 'networks',
    title: one.Name,
    detail: one.Driver,
    does: { href: link('networks', [one.Id]) },
  }));
}
