import type { Component } from 'svelte';

export type View = Component<{ rest: string[] }>;

// Each view is a chunk of its own, fetched when somebody goes there first.
const MODULES = import.meta.glob<{ default: View }>('../../features/**/*View.svelte');

/** Where each noun's pages are: its list, and the page of one of it. */
const PATHS: Record<string, { all: string; one?: string }> = {
  containers: { all: 'containers/ContainersView', one: 'container/ContainerView' },
  images: { all: 'images/ImagesView', one: 'images/ImageView' },
  builds: { all: 'builds/BuildsView', one: 'builds/BuildView' },
  volumes: { all: 'volumes/VolumesView', one: 'volumes/VolumeView' },
  networks: { all: 'networks/NetworksView', one: 'networks/NetworkView' },
  projects: { all: 'projects/ProjectsView', one: 'projects/ProjectView' },
  machine: { all: 'machine/MachineView' },
  troubleshooting: { all: 'troubleshooting/TroubleshootingView' },
  first: { all: 'first/FirstRunView' },
  settings: { all: 'settings/SettingsView' },
};

/** The file of the view of a place; undefined if there is no such page. */
export function fileOf(view: string, rest: string[]): string | undefined {
  if (!Object.hasOwn(PATHS, view)) return undefined;
  const { all, one } = PATHS[view]!;
  const path = `../../features/${rest.length > 0 ? (one ?? all) : all}.svelte`;
  return path in MODULES ? path : undefined;
}

const loaded = new Map<string, View>();

/** A view that is here already. */
export function ready(file: string): View | undefined {
  return loaded.get(file);
}

export async function load(file: string): Promise<View> {
  const view = (await MODULES[file]!()).default;
  loaded.set(file, view);
  return view;
}
