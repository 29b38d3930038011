const many = (n: number, one: string, more: string) => `${n} ${n === 1 ? one : more}`;

export const projects = {
  title: 'Projects',
  subtitle: (n: number) => many(n, 'Compose project', 'Compose projects'),
  list: 'Compose projects',
  loading: 'Asking the engine for its containers…',

  column: {
    name: 'Name',
    condition: 'State',
    services: 'Services',
    containers: 'Containers',
    files: 'Compose files',
  },
  condition: {
    running: 'Running',
    partly: 'Partly running',
    stopped: 'Stopped',
    unwell: 'Needs attention',
  },
  counted: (running: number, all: number) => `${running} of ${all} running`,
  noFiles: 'Not known',

  search: 'Search projects',
  searchHint: 'Name, service, file',
  nothing: 'No project matches',
  nothingText: 'No project is like what you search for.',
  showAll: 'Show all',

  verb: { start: 'Start all', stop: 'Stop all', restart: 'Restart all', remove: 'Remove all' },
  of: {
    start: (name: string) => `Start all of ${name}`,
    stop: (name: string) => `Stop all of ${name}`,
    restart: (name: string) => `Restart all of ${name}`,
    remove: (name: string) => `Remove all containers of ${name}`,
  },
  menuOf: (name: string) => `More for ${name}`,
  open: 'Open',

  fromFile: {
    action: 'Start from a file',
    title: 'Start a project from a file',
    text: 'Compose runs on your computer, where the file and the folders that it names are. Type this in a terminal; the project appears here by itself.',
    file: 'Compose file',
    fileHint: 'Its path, as seen from the folder of the terminal.',
    command: 'Command',
    folderNote:
      'Compose itself finds compose.yaml in the folder of the terminal: then “docker compose up -d” is enough.',
  },
  empty: {
    title: 'No Compose projects yet',
    text: 'A project is a set of containers that one compose file describes. What “docker compose up” starts in a terminal appears here by itself.',
  },

  back: 'Projects',
  tabs: 'Parts of the project',
  tab: { services: 'Services', logs: 'Logs', file: 'Files' },
  services: (name: string) => `Services of ${name}`,
  service: 'Service',
  gone: 'There are no containers of this project',
  goneText: 'They may have been removed, here or by another program.',

  logs: {
    label: (name: string) => `Logs of all services of ${name}`,
    services: 'Services shown',
    all: 'All',
    hint: 'A click shows or hides it; a double click shows it alone',
    reading: 'Reading the logs…',
    refused: (name: string) => `The log of ${name} cannot be read`,
    none: 'No service is shown. Choose one above.',
    ended: 'All containers have ended',
  },

  files: {
    files: 'Compose files',
    folder: 'Working folder',
    unknown: 'The containers do not say which file they were made from.',
    text: 'The files are on the computer on which compose ran. To make the project as they say now, type:',
    up: 'Bring up to date',
    down: 'Take down, with its networks',
    downNote: 'Volumes with a name stay. With “--volumes” they and all that is in them are deleted too.',
    copyPath: (path: string) => `Copy ${path}`,
  },
};
