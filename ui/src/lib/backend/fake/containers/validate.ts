import type { ContainerCreateRequest, HostConfig } from '$lib/api/generated';
import { invalid } from '../core/failure';
import { address } from '../networks/addresses';
import { checkResources } from './resources';

const LOG_OPTIONS = ['mode', 'max-buffer-size', 'max-size', 'max-file', 'compress'];
const JSON_OPTIONS = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];

/** What can be told to be wrong with a request for a container by looking at it alone. */
export function validate(config: ContainerCreateRequest, host: HostConfig): void {
  checkResources(host);
  checkPolicy(host.RestartPolicy.Name, host.RestartPolicy.MaximumRetryCount);
  if (host.AutoRemove && host.RestartPolicy.Name !== 'no') {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
  for (const pair of config.Env ?? []) {
    if (pair.startsWith('=') || pair === '') throw invalid(`invalid environment variable: ${pair}`);
  }
  if (config.WorkingDir && !config.WorkingDir.startsWith('/')) {
    throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  checkHealth(config);
  checkPorts(config, host);
  checkHosts(host);
  checkLog(host);
  if (host.ShmSize < 0) throw invalid('SHM size can not be less than 0');
  if (host.Runtime !== 'runc' && host.Runtime !== 'io.containerd.runc.v2') {
    throw invalid(`unknown or invalid runtime name: ${host.Runtime ?? ''}`);
  }
  checkMode(config, host);
}

export function checkPolicy(name: string, most: number): void {
  if (!['', 'no', 'always', 'unless-stopped', 'on-failure'].includes(name)) {
    throw invalid(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (name === 'on-failure' && most < 0)
    throw invalid('invalid restart policy: maximum retry count cannot be negative');
  if (name === 'on-failure' || most === 0) return;
  const negative = most < 0 ? ' and cannot be negative' : '';
  throw invalid(`invalid restart policy: maximum retry count can only be used with 'on-failure'${negative}`);
}

function checkHealth({ Healthcheck: check }: ContainerCreateRequest): void {
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const nanos = check?.[field] ?? 0;
    if (nanos !== 0 && nanos < 1_000_000) throw invalid(`${field} in Healthcheck cannot be less than 1ms`);
  }
  if ((check?.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

function checkPorts(config: ContainerCreateRequest, host: HostConfig): void {
  const refused = (port: string) => invalid(`invalid port specification: "${port}"`);
  for (const port of [...Object.keys(config.ExposedPorts ?? {}), ...Object.keys(host.PortBindings ?? {})]) {
    const [number = '', protocol = 'tcp'] = port.split('/');
    if (!isPort(number) || !['tcp', 'udp', 'sctp'].includes(protocol)) throw refused(number);
  }
  for (const binding of Object.values(host.PortBindings ?? {}).flat()) {
    const [first = '', last = first] = binding?.HostPort.split('-') ?? [];
    if (first === '' && last === '') continue;
    if (!isPort(first) || !isPort(last) || Number(first) > Number(last)) throw refused(binding!.HostPort);
  }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
}

function checkHosts(host: HostConfig): void {
  for (const pair of host.ExtraHosts ?? []) {
    const at = pair.indexOf(':');
    if (at <= 0) throw invalid(`bad format for add-host: "${pair}"`);
    const ip = pair.slice(at + 1);
    if (ip !== 'host-gateway' && address(ip) === undefined && !ip.includes(':')) {
      throw invalid(`invalid IP address in add-host: "${ip}"`);
    }
  }
}

function checkLog({ LogConfig: { Type: driver, Config: options } }: HostConfig): void {
  if (driver === 'none') return;
  const { mode = '', 'max-buffer-size': buffer } = options ?? {};
  if (!['', 'blocking', 'non-blocking'].includes(mode)) throw invalid(`logger: logging mode not supported: ${mode}`);
  if (buffer !== undefined && mode !== 'non-blocking') {
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  if (!['json-file', 'local'].includes(driver)) {
    throw invalid(`error looking up logging plugin ${driver}: plugin "${driver}" not found`);
  }
  const known = driver === 'local' ? LOG_OPTIONS : [...LOG_OPTIONS, ...JSON_OPTIONS];
  const unknown = Object.keys(options ?? {}).find((option) => !known.includes(option));
  if (unknown === undefined) return;
  throw invalid(
    driver === 'local'
      ? `unknown log opt '${unknown}' for log driver local`
      : `unknown log opt '${unknown}' for json-file log driver`,
  );
}

/** What cannot be had in another container's network. */
function checkMode(config: ContainerCreateRequest, host: HostConfig): void {
  const mode = host.NetworkMode;
  if (mode === 'container' || mode === 'container:') {
    throw invalid('invalid network mode: invalid container format container:<name|id>');
  }
  if (!mode.startsWith('container:')) return;
  const conflicts: [unknown, string][] = [
    [config.Hostname, 'hostname and the network mode'],
    [host.Dns?.length, 'dns and the network mode'],
    [host.ExtraHosts?.length, 'custom host-to-IP mapping and the network mode'],
    [
      host.PublishAllPorts || Object.keys(host.PortBindings ?? {}).length,
      'port publishing and the container type network mode',
    ],
    [Object.keys(config.ExposedPorts ?? {}).length, 'port exposing and the container type network mode'],
  ];
  const found = conflicts.find(([given]) => Boolean(given));
  if (found) throw invalid(`conflicting options: ${found[1]}`);
}
