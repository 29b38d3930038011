import type { NetworkCreateRequest } from '$lib/api/generated';
import { invalid, system } from '../core/failure';
import { address } from './addresses';

const BRIDGE = 'com.docker.network.bridge.';
const SWITCH = /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/;
const MODES = ['nat', 'nat-unprotected', 'routed', 'isolated'];

/** Options that the bridge driver cannot take, in its words. */
export function checkOptions(wish: NetworkCreateRequest): void {
  const options = wish.Options ?? {};
  const refused = (name: string, reason: string) =>
    invalid(`failed to parse ${name} value: ${options[name]} (${reason})`);
  for (const name of ['com.docker.network.enable_ipv4', 'com.docker.network.enable_ipv6']) {
    if (options[name] !== undefined && !SWITCH.test(options[name]))
      throw invalid(`driver-opt "${name}" is not a valid bool`);
  }
  const off = /^(0|f)/i.test(options['com.docker.network.enable_ipv4'] ?? '');
  if ((wish.EnableIPv4 === false || off) && !wish.EnableIPv6) throw invalid('IPv4 or IPv6 must be enabled');
  for (const name of ['enable_icc', 'enable_ip_masquerade', 'inhibit_ipv4'].map((name) => BRIDGE + name)) {
    const value = options[name];
    if (value !== undefined && !SWITCH.test(value))
      throw refused(name, `strconv.ParseBool: parsing "${value}": invalid syntax`);
  }
  for (const name of [`${BRIDGE}host_binding_ipv4`, 'com.docker.network.host_ipv4', 'com.docker.network.host_ipv6']) {
    const value = options[name];
    if (value !== undefined && address(value) === undefined && !value.includes(':')) throw refused(name, 'nil ip');
  }
  for (const name of [`${BRIDGE}gateway_mode_ipv4`, `${BRIDGE}gateway_mode_ipv6`]) {
    const value = options[name];
    if (value !== undefined && !MODES.includes(value)) throw refused(name, `unknown gateway mode ${value}`);
    if (value === 'isolated' && !wish.Internal) {
      throw system("gateway mode 'isolated' can only be used for an internal network");
    }
  }
  const mtu = options['com.docker.network.driver.mtu'];
  if (mtu === undefined) return;
  if (!/^-?\d+$/.test(mtu))
    throw refused('com.docker.network.driver.mtu', `strconv.Atoi: parsing "${mtu}": invalid syntax`);
  if (Number(mtu) < 0) throw invalid(`invalid MTU number: ${mtu}`);
}
