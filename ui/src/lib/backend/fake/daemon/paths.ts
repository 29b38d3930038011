/** Where things are on the computer of the simulation. */
const HOME = '/home/ada';
const DATA = `${HOME}/.local/share/berth`;
const RUNTIME = '/run/user/1000/berth';

export const paths = {
  home: HOME,
  data: DATA,
  settings: `${HOME}/.config/berth/settings.toml`,
  tls: `${HOME}/.config/berth/tls`,
  image: `${HOME}/.cache/berth/image/current`,
  engineSocket: `${RUNTIME}/engine.sock`,
  controlSocket: `${RUNTIME}/control.sock`,
  program: '/usr/bin/berth',
};

/** What the daemon sees of the computer: the bounds of its settings. */
export interface Facts {
  cpus: number;
  memoryMib: number;
}

export const FACTS: Facts = { cpus: 8, memoryMib: 32_768 };

export const VERSION = '0.1.0';
export const QEMU = 'QEMU 10.0.2';
