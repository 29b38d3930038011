import { builds } from './builds';
import { container } from './container';
import { containers } from './containers';
import { daemonSettings } from './daemonSettings';
import { first } from './first';
import { images } from './images';
import { kit } from './kit';
import { machine } from './machine';
import { machines } from './machines';
import { networks } from './networks';
import { projects } from './projects';
import { settings } from './settings';
import { shell } from './shell';
import { troubleshooting } from './troubleshooting';
import { volumes } from './volumes';

export const en = {
  builds,
  container,
  containers,
  daemonSettings,
  first,
  images,
  kit,
  machine,
  machines,
  networks,
  projects,
  settings,
  shell,
  troubleshooting,
  volumes,
};
