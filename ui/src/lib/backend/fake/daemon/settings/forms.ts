/** The forms of values, as `app/host/src/settings` and `vm-agent/control` read them. A refusal says what is expected. */
import ipaddr from 'ipaddr.js';

/** Why a value is none: what is expected instead. */
export class Expected extends Error {}

export function items(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

export function number(text: string, least: number, most: number): number {
  const value = /^\+?\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) throw new Expected(`a number from ${least} to ${most}`);
  return value;
}

export function flag(text: string): string {
  if (['true', 'yes', 'on'].includes(text)) return 'true';
  if (['false', 'no', 'off'].includes(text)) return 'false';
  throw new Expected('true or false');
}

/** `500ms`, `20s`, `2m`, shown in whole seconds where it has them. */
export function duration(text: string, more = ''): string {
  const [, digits, unit] = /^(\d+)(ms|s|m)$/.exec(text) ?? [];
  const ms = Number(digits) * ({ ms: 1, s: 1000, m: 60_000 }[unit ?? ''] ?? NaN);
  if (!(ms > 0)) throw new Expected(`a time such as 500ms, 20s or 2m${more}`);
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

export function seconds(shown: string): number {
  return parseInt(shown, 10) / (shown.endsWith('ms') ? 1000 : 1);
}

/** `text` with the user's part of its URL hidden: what is before the last `@`. */
export function masked(text: string): string {
  const [, scheme = ''] = /^([a-zA-Z0-9]*:\/\/)/.exec(text) ?? [];
  const rest = text.slice(scheme.length);
  const at = rest.lastIndexOf('@');
  return at < 0 ? text : `${scheme}xxxxx:xxxxx${rest.slice(at)}`;
}

function isV4(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text);
}

function isV6(text: string): boolean {
  return ipaddr.IPv6.isValid(text) && !text.includes('%');
}

function isPort(text: string): boolean {
  return /^\+?\d+$/.test(text) && Number(text) <= 65_535;
}

/** `host`, `host:port`, `[v6]` or `[v6]:port`. */
function split(text: string): { host: string; port?: number } | undefined {
  let host = text;
  let rest = '';
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    if (end < 0) return undefined;
    [host, rest] = [text.slice(1, end), text.slice(end + 1)];
  } else if (text.includes(':')) [host, rest] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':'))];
  if (rest === '') return { host };
  return rest.startsWith(':') && isPort(rest.slice(1)) ? { host, port: Number(rest.slice(1)) } : undefined;
}

function isHost(host: string): boolean {
  return /^[a-zA-Z0-9\-_.]+$/.test(host) || isV4(host) || isV6(host);
}

function isHostAndPort(text: string): boolean {
  const parts = split(text);
  return parts !== undefined && isHost(parts.host) && parts.port !== 0;
}

export function isMirror(url: string): boolean {
  const rest = /^https?:\/\/(.*)$/s.exec(url)?.[1];
  if (rest === undefined) return false;
  const slash = rest.indexOf('/');
  const [host, path] = slash < 0 ? [rest, ''] : [rest.slice(0, slash), rest.slice(slash + 1)];
  return isHostAndPort(host) && /^[\x21-\x7e]*$/.test(path) && !/[?#@\\]/.test(path);
}

export function isRegistry(entry: string): boolean {
  if (!entry.includes('/')) return isHostAndPort(entry);
  const [address = '', bits = ''] = entry.split(/\/(.*)/s);
  const width = isV4(address) ? 32 : isV6(address) ? 128 : -1;
  return /^\+?\d+$/.test(bits) && Number(bits) <= width;
}

export function isLogFilter(text: string): boolean {
  const [part, level] = text.includes('=') ? text.split(/=(.*)/s) : ['all', text];
  return ['off', 'error', 'warn', 'info', 'debug', 'trace'].includes(level!) && /^[a-zA-Z0-9_:]+$/.test(part!);
}

export function proxy(text: string): string {
  if (text === '') return '';
  if (!text.includes('://')) throw new Expected('the URL of an HTTP proxy, such as http://proxy.example:3128');
  const [scheme = '', rest = ''] = text.split(/:\/\/(.*)/s);
  const bad = () => new Expected(`\`${masked(text)}\` is no proxy's URL: it must look like http://proxy.example:3128`);
  if (scheme.toLowerCase() !== 'http') {
    if (!/^[a-zA-Z0-9]+$/.test(scheme)) throw bad();
    const spoken = scheme.toLowerCase() === 'https' ? 'TLS' : scheme;
    throw new Expected(
      `\`${masked(text)}\` wants ${spoken} on the way to the proxy, which Berth does not speak: give the proxy's http:// URL`,
    );
  }
  const authority = rest.replace(/\/$/, '');
  const parts = split(authority.slice(authority.lastIndexOf('@') + 1));
  if (parts === undefined || parts.host === '' || !isHost(parts.host) || parts.port === 0) throw bad();
  return text;
}

const PLAIN_PORT = 2375;
const TLS_PORT = 2376;

/** Where the engine is offered over TCP, as `tcp://ADDRESS:PORT`. */
export function listenAddress(text: string): string {
  const looks = 'it must look like tcp://0.0.0.0:2376, or tcp://127.0.0.1:2375 without TLS';
  if (!text.startsWith('tcp://')) throw new Expected(`\`${text}\` is no address: ${looks}`);
  const rest = text.slice('tcp://'.length).replace(/\/+$/, '');
  const colon = rest.lastIndexOf(':');
  const named = colon >= 0 && !rest.slice(colon + 1).endsWith(']');
  const [host, port] = named ? [rest.slice(0, colon), rest.slice(colon + 1)] : [rest, String(TLS_PORT)];
  const ip = addressOf(host, rest);
  if (ip === undefined || !isPort(port)) {
    throw new Expected(`\`${text}\` is no address of this computer: ${looks}; 0.0.0.0 and [::] are all that it has`);
  }
  if (Number(port) === 0) throw new Expected(`\`${text}\` has no port that clients could know: docker's is 2376`);
  if (Number(port) === PLAIN_PORT && !/^127\.|^\[::1\]$/.test(ip)) {
    throw new Expected(
      `\`${text}\` would make everybody who reaches it root in the machine, for port 2375 is docker's without TLS: ` +
        'use port 2376 and give clients a certificate (`berth tls create`); 2375 can only be at 127.0.0.1 or [::1]',
    );
  }
  return `tcp://${ip}:${Number(port)}`;
}

export function isTls(address: string): boolean {
  return !address.endsWith(`:${PLAIN_PORT}`);
}

function addressOf(host: string, whole: string): string | undefined {
  if (host === '' && whole.startsWith(':')) return '0.0.0.0';
  if (host === 'localhost') return '127.0.0.1';
  const v6 = /^\[(.*)\]$/s.exec(host)?.[1];
  if (v6 !== undefined) return isV6(v6) ? `[${ipaddr.IPv6.parse(v6).toRFC5952String()}]` : undefined;
  return isV4(host) ? host : undefined;
}

/** A folder that containers may mount. */
export function folder(text: string): string {
  const path = text.endsWith(':ro') ? text.slice(0, -3) : text;
  if (path === '~' || path.startsWith('~/') || path.startsWith('~\\') || path.startsWith('/')) return text;
  throw new Expected(
    `\`${text}\` is no folder: it must be an absolute path or begin with ~/, with :ro behind it or not`,
  );
}

export function webPort(text: string): string {
  if (text === 'auto' || text === 'off') return text;
  if (/^\+?\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65535) return String(Number(text));
  throw new Expected('auto, off or a number from 1 to 65535');
}

/** In whole seconds, shown in the largest unit that fits. */
export function autoPause(text: string): string {
  if (text === 'off') return text;
  const [, number, unit] = /^\+?(\d+)([smh])$/.exec(text) ?? [];
  const seconds = Number(number) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'];
  if (!(seconds >= 1 && seconds <= 24 * 3600))
    throw new Expected('off, or a time such as 90s, 10m or 1h, at least 1s and at most 24h');
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}
