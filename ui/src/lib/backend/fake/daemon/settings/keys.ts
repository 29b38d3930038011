/** The table of settings, as `app/host/src/settings/keys.rs` has it; the contract holds this one to it. */
import type { Takes } from '$lib/api/generated/daemon';
import type { Facts } from '../paths';
import {
  autoPause,
  duration,
  Expected,
  flag,
  folder,
  isLogFilter,
  isMirror,
  isRegistry,
  items,
  listenAddress,
  masked,
  number,
  proxy,
  webPort,
} from './forms';

export interface Key {
  name: string;
  description: string;
  takes: Takes;
  /** Whether an empty text is a value of its own; else it means the default. */
  mayBeEmpty: boolean;
  byDefault: string | ((facts: Facts) => string);
  /** The value as it is shown; throws `Expected`. */
  parse(text: string, facts: Facts): string;
}

const ACCELERATORS = ['kvm', 'tcg', 'hvf', 'whpx', 'hyperv', 'vz'];

function oneOf(...names: string[]): Key['parse'] {
  return (text) => {
    if (!names.includes(text)) throw new Expected(`one of ${names.join(', ')}`);
    return text;
  };
}

function accelerators(text: string): string {
  const order = items(text);
  if (!order.every((item) => ACCELERATORS.includes(item)))
    throw new Expected('a list of kvm, tcg, hvf, whpx, hyperv, vz');
  return order.join(',');
}

function absolute(text: string): string {
  if (text !== '' && !text.startsWith('/')) throw new Expected('an absolute path');
  return text;
}

function mirrors(text: string): string {
  const list = items(text);
  const bad = list.find((mirror) => !isMirror(mirror));
  if (bad !== undefined) {
    throw new Expected(
      `\`${masked(bad)}\` is no mirror: it must look like https://mirror.example or http://mirror.example:5000/path, without ?, # or @`,
    );
  }
  return list.join(',');
}

function registries(text: string): string {
  const list = items(text);
  const bad = list.find((registry) => !isRegistry(registry));
  if (bad !== undefined) {
    throw new Expected(
      `\`${bad}\` is no registry: it must look like reg.example, reg.example:5000 or 10.0.0.0/8, without a scheme or a path`,
    );
  }
  return list.join(',');
}

function filters(text: string): string {
  const parts = items(text);
  if (!parts.every(isLogFilter)) {
    throw new Expected(
      '[PART=]LEVEL separated by commas, such as info,containers=debug; LEVEL is off, error, warn, info, debug or trace',
    );
  }
  return parts.join(',');
}

export const KEYS: readonly Key[] = [
  {
    name: 'cpus',
    description: 'Processors that the machine sees.',
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: ({ cpus }) => String(Math.min(Math.max(Math.floor(cpus / 2), 2), Math.max(cpus, 1))),
    parse: (text, { cpus }) => String(number(text, 1, Math.max(cpus, 1))),
  },
  {
    name: 'memory_mib',
    description: 'Memory that the machine may use, in MiB; what its containers free goes back to the host.',
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: ({ memoryMib }) => String(Math.min(Math.max(Math.floor(memoryMib / 4), 1024), 8192)),
    parse: (text, { memoryMib }) => String(number(text, 512, Math.max(memoryMib, 1024))),
  },
  {
    name: 'disk_gib',
    description: 'Size of the data disk in GiB; the file grows as it fills. It can be raised, not lowered.',
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: '64',
    parse: (text) => String(number(text, 1, 16 * 1024)),
  },
  {
    name: 'link',
    description: 'How host and machine are joined: auto, vsock (needs vhost-device-vsock) or serial.',
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: 'auto',
    parse: oneOf('auto', 'vsock', 'serial'),
  },
  {
    name: 'network',
    description:
      "How packets of containers leave the machine: link (each connection by a socket of this computer, with its routes, VPN and resolver) or nic (a network card of QEMU's user-mode network).",
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: 'link',
    parse: oneOf('link', 'nic'),
  },
  {
    name: 'accelerator',
    description:
      "What runs the machine's instructions: auto (what works here, found by trying), kvm (Linux), vz (macOS), hvf (macOS, with QEMU), hyperv (Windows), whpx (of no use yet) or tcg.",
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: 'auto',
    parse: oneOf('auto', ...ACCELERATORS),
  },
  {
    name: 'accelerator_order',
    description: 'The accelerators to try, the first one first, separated by commas; empty: what this host offers.',
    takes: 'at_next_start',
    mayBeEmpty: true,
    byDefault: '',
    parse: accelerators,
  },
  {
    name: 'qemu',
    description: 'Path of the QEMU program; empty: found in PATH.',
    takes: 'at_next_start',
    mayBeEmpty: true,
    byDefault: '',
    parse: absolute,
  },
  {
    name: 'boot_deadline',
    description:
      "Longest time from the start of QEMU to the guest's first word, such as 20s; auto: 20s with hardware help, 120s without. A boot that takes longer is tried with the next accelerator.",
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: 'auto',
    parse: (text) => (text === 'auto' ? text : duration(text, ', or auto')),
  },
  {
    name: 'engine_deadline',
    description: "Longest time from the guest's first word to the engine's first answer, such as 60s.",
    takes: 'at_next_start',
    mayBeEmpty: false,
    byDefault: '60s',
    parse: (text) => duration(text),
  },
  {
    name: 'registry_mirrors',
    description: 'Mirrors of Docker Hub, asked before it, as URLs separated by commas.',
    takes: 'at_once',
    mayBeEmpty: true,
    byDefault: '',
    parse: mirrors,
  },
  {
    name: 'insecure_registries',
    description:
      'Registries that may be spoken to without TLS or with an unknown certificate, as HOST[:PORT] or CIDR, separated by commas. 127.0.0.0/8 always is one.',
    takes: 'at_once',
    mayBeEmpty: true,
    byDefault: '',
    parse: registries,
  },
  {
    name: 'proxy',
    description:
      "Where proxies for registries are taken from. system: http_proxy, https_proxy and no_proxy below; where these name none, the environment of the berth daemon; where that names none, this computer's desktop. manual: those below alone. none: no proxy at all.",
    takes: 'at_once',
    mayBeEmpty: false,
    byDefault: 'system',
    parse: oneOf('system', 'manual', 'none'),
  },
  {
    name: 'http_proxy',
    description:
      "Proxy for the registries' port 80, as http://[USER:PASSWORD@]HOST:PORT; empty: what http_proxy, HTTP_PROXY or ALL_PROXY says in the environment of the berth daemon, which it has from the command that started it (`berth machine quit` ends it).",
    takes: 'at_once',
    mayBeEmpty: true,
    byDefault: '',
    parse: proxy,
  },
  {
    name: 'https_proxy',
    description:
      "Proxy for the registries' other ports, 443 and 5000 included, as http://[USER:PASSWORD@]HOST:PORT; empty: https_proxy, HTTPS_PROXY or ALL_PROXY in the environment of the berth daemon.",
    takes: 'at_once',
    mayBeEmpty: true,
    byDefault: '',
    parse: proxy,
  },
  {
    name: 'no_proxy',
    description:
      'What is reached without a proxy, separated by commas: example.com with all below it, .example.com only below it, addresses, CIDR, each perhaps with :PORT, or *; loopback always is. Empty: no_proxy or NO_PROXY in the environment of the berth daemon.',
    takes: 'at_once',
    mayBeEmpty: true,
    byDefault: '',
    parse: (text) => items(text).join(','),
  },
  {
    name: 'container_http_proxy',
    description:
      "Proxy that containers and the steps of builds get as HTTP_PROXY and http_proxy, as http://[USER:PASSWORD@]HOST:PORT, unless they set one; on this computer's loopback it is reached as host.docker.internal. Empty: none.",
    takes: 'at_next_start',
    mayBeEmpty: true,
    byDefault: '',
    parse: proxy,
  },
  {
    name: 'container_https_proxy',
    description: 'The same for HTTPS_PROXY and https_proxy.',
    takes: 'at_next_start',
    mayBeEmpty: true,
    byDefault: '',
    parse: proxy,
  },
  {
    name: 'container_no_proxy',
    description:
      'What programs in containers are to reach without a proxy, separated by commas: they get it as NO_PROXY and no_proxy, unless they set one. Empty: nothing is said.',
    takes: 'at_next_start',
    mayBeEmpty: true,
    byDefault: '',
    parse: (text) => items(text).join(','),
  },
  {
    name: 'agent_log',
    description:
      'What the agent in the machine writes to the console log, as [PART=]LEVEL separated by commas, such as info,containers=debug; empty: info.',
    takes: 'at_next_start',
    mayBeEmpty: true,
    byDefault: '',
    parse: filters,
  },
  {
    name: 'docker_context',
    description: 'Keep a docker context named `berth`; the current context is never switched.',
    takes: 'at_once',
    mayBeEmpty: false,
    byDefault: 'true',
    parse: flag,
  },
  {
    name: 'var_run_docker_sock',
    description:
      'Also answer at /var/run/docker.sock, by a link, when nothing else is there and its folder may be written.',
    takes: 'at_once',
    mayBeEmpty: false,
    byDefault: 'false',
    parse: flag,
  },
  {
    name: 'listen',
    description:
      'Where the engine is offered besides its socket, as tcp://ADDRESS[:PORT] separated by commas; clients need a certificate of `berth tls create`, and the port is 2376 when none is given. Without TLS it can only be tcp://127.0.0.1:2375. Empty: nowhere.',
    takes: 'at_once',
    mayBeEmpty: true,
    byDefault: '',
    parse: (text) => items(text).map(listenAddress).join(','),
  },
  {
    name: 'updates',
    description:
      'Look once a day whether there is a newer Berth, and tell; it is never fetched nor installed by itself. `berth version --check` looks when it is asked.',
    takes: 'at_once',
    mayBeEmpty: false,
    byDefault: 'true',
    parse: flag,
  },
  {
    name: 'shares',
    description:
      'Folders and files of this computer that containers may mount, with all that is in them, separated by commas; ~ is your home folder, and :ro behind one lets containers read it only. Empty: none.',
    takes: 'at_once',
    mayBeEmpty: true,
    byDefault: '~',
    parse: (text) => items(text).map(folder).join(','),
  },
  {
    name: 'web_port',
    description:
      'Port of 127.0.0.1 at which running containers are found as http://NAME.berth.localhost: auto (80 where it can be had, else 8880), a number, or off.',
    takes: 'at_once',
    mayBeEmpty: false,
    byDefault: 'auto',
    parse: webPort,
  },
  {
    name: 'auto_pause',
    description:
      'After how long without running containers and without requests the machine stands still, such as 10m; it goes on for whoever comes. off: never.',
    takes: 'at_once',
    mayBeEmpty: false,
    byDefault: '10m',
    parse: autoPause,
  },
  {
    name: 'locale',
    description: "Language of messages: auto (the system's), en or zh-CN.",
    takes: 'at_once',
    mayBeEmpty: false,
    byDefault: 'auto',
    parse: oneOf('auto', 'en', 'zh-CN'),
  },
];
