/** The settings that the pages know: where they stand and how they are set. Others stand in a group of their own, as text. */
import type { SettingEntry } from '$lib/api/generated/daemon';

export const GROUPS = ['resources', 'registries', 'proxies', 'access', 'machine', 'other'] as const;
export type Group = (typeof GROUPS)[number];

export type Control =
  | { is: 'number'; unit?: 'memory_mib' | 'disk_gib' }
  | { is: 'switch' }
  | { is: 'choice'; of: readonly string[] }
  | { is: 'list'; placeholder: string }
  | { is: 'text'; placeholder?: string };

const KNOWN: Record<string, { group: Group; control: Control }> = {
  cpus: { group: 'resources', control: { is: 'number' } },
  memory_mib: { group: 'resources', control: { is: 'number', unit: 'memory_mib' } },
  disk_gib: { group: 'resources', control: { is: 'number', unit: 'disk_gib' } },
  registry_mirrors: { group: 'registries', control: { is: 'list', placeholder: 'https://mirror.example' } },
  insecure_registries: { group: 'registries', control: { is: 'list', placeholder: 'reg.example:5000' } },
  proxy: { group: 'proxies', control: { is: 'choice', of: ['system', 'manual', 'none'] } },
  http_proxy: { group: 'proxies', control: { is: 'text', placeholder: 'http://proxy.example:3128' } },
  https_proxy: { group: 'proxies', control: { is: 'text', placeholder: 'http://proxy.example:3128' } },
  no_proxy: { group: 'proxies', control: { is: 'list', placeholder: '.example.com' } },
  container_http_proxy: { group: 'proxies', control: { is: 'text', placeholder: 'http://proxy.example:3128' } },
  container_https_proxy: { group: 'proxies', control: { is: 'text', placeholder: 'http://proxy.example:3128' } },
  container_no_proxy: { group: 'proxies', control: { is: 'list', placeholder: '.example.com' } },
  docker_context: { group: 'access', control: { is: 'switch' } },
  var_run_docker_sock: { group: 'access', control: { is: 'switch' } },
  listen: { group: 'access', control: { is: 'list', placeholder: 'tcp://0.0.0.0:2376' } },
  web_port: { group: 'access', control: { is: 'text', placeholder: 'auto' } },
  shares: { group: 'access', control: { is: 'list', placeholder: '~/src' } },
  auto_pause: { group: 'machine', control: { is: 'text', placeholder: '10m' } },
  accelerator: {
    group: 'machine',
    control: { is: 'choice', of: ['auto', 'kvm', 'tcg', 'hvf', 'whpx', 'hyperv', 'vz'] },
  },
  accelerator_order: { group: 'machine', control: { is: 'list', placeholder: 'kvm' } },
  link: { group: 'machine', control: { is: 'choice', of: ['auto', 'vsock', 'serial'] } },
  network: { group: 'machine', control: { is: 'choice', of: ['link', 'nic'] } },
  qemu: { group: 'machine', control: { is: 'text', placeholder: '/usr/bin/qemu-system-x86_64' } },
  boot_deadline: { group: 'machine', control: { is: 'text', placeholder: 'auto' } },
  engine_deadline: { group: 'machine', control: { is: 'text', placeholder: '60s' } },
  agent_log: { group: 'machine', control: { is: 'list', placeholder: 'containers=debug' } },
  updates: { group: 'machine', control: { is: 'switch' } },
  locale: { group: 'machine', control: { is: 'choice', of: ['auto', 'en', 'zh-CN'] } },
};

const ORDER = Object.keys(KNOWN);

/** What a setting is set with. A choice that has a value of another version of the daemon is text: none would fit it. */
export function controlOf({ name, value }: Pick<SettingEntry, 'name' | 'value'>): Control {
  const control = Object.hasOwn(KNOWN, name) ? KNOWN[name]!.control : undefined;
  if (control === undefined || (control.is === 'choice' && !control.of.includes(value))) return { is: 'text' };
  return control;
}

/** The settings in their groups, in the order of the page. */
export function grouped(entries: readonly SettingEntry[]): { group: Group; entries: SettingEntry[] }[] {
  const groupOf = (name: string): Group => (Object.hasOwn(KNOWN, name) ? KNOWN[name]!.group : 'other');
  const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return GROUPS.map((group) => ({
    group,
    entries: entries
      .filter((entry) => groupOf(entry.name) === group)
      .sort((one, other) => place(one.name) - place(other.name)),
  })).filter(({ entries }) => entries.length > 0);
}

export function itemsOf(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** What the daemon puts in place of a URL's user and password. */
const MASK = 'xxxxx:xxxxx@';

export function isMasked(value: string): boolean {
  return value.includes(MASK);
}
