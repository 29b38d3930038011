import { container } from './container';
import { containers } from './containers';
import { images } from './images';
import { kit } from './kit';
import { networks } from './networks';
import { projects } from './projects';
import { settings } from './settings';
import { shell } from './shell';
import { volumes } from './volumes';

export const en = { container, containers, images, kit, networks, projects, settings, shell, volumes };
