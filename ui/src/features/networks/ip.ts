import ipaddr from 'ipaddr.js';

export type Family = 4 | 6;

type Address = ReturnType<typeof ipaddr.parse>;

/** A block of addresses: `10.0.0.0/24`. */
export type Block = {
  family: Family;
  bits: number;
  /** First and last address. */
  first: bigint;
  last: bigint;
  /** True if the address that was written is the first one, as the engine wants it. */
  exact: boolean;
  /** The same block as the engine wants it. */
  text: string;
};

export type Ip = { family: Family; number: bigint };

/** An address as an engine reads it: IPv4 of four decimal numbers, IPv6 without a zone. */
export function ip(text: string): Ip | undefined {
  const address = parse(text);
  return address && { family: familyOf(address), number: numberOf(address) };
}

export function block(text: string): Block | undefined {
  const parts = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (!parts) return undefined;
  const address = parse(parts[1]!);
  const bits = Number(parts[2]);
  if (!address) return undefined;
  const family = familyOf(address);
  const size = family === 4 ? 32 : 128;
  if (bits > size) return undefined;
  const rest = BigInt(size - bits);
  const number = numberOf(address);
  const first = (number >> rest) << rest;
  const last = first + (1n << rest) - 1n;
  return { family, bits, first, last, exact: first === number, text: `${write(first, family)}/${bits}` };
}

export function holds(outer: Block, inner: Block | Ip): boolean {
  if (outer.family !== inner.family) return false;
  const [first, last] = 'number' in inner ? [inner.number, inner.number] : [inner.first, inner.last];
  return outer.first <= first && last <= outer.last;
}

export function overlap(one: Block, other: Block): boolean {
  return one.family === other.family && one.first <= other.last && other.first <= one.last;
}

/** True if a container can have the address in this block: neither the network's own nor its broadcast address. */
export function usable(block: Block, address: Ip): boolean {
  if (!holds(block, address)) return false;
  const size = block.family === 4 ? 32 : 128;
  if (block.bits >= size - 1) return true;
  return address.number !== block.first && (block.family === 6 || address.number !== block.last);
}

function parse(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  // The library takes the old one-part and hexadecimal forms of IPv4, and IPv6 with a zone; the engine takes neither.
  if (text.includes(':') && !text.includes('%') && ipaddr.IPv6.isValid(text)) return ipaddr.IPv6.parse(text);
  return undefined;
}

function familyOf(address: Address): Family {
  return address.kind() === 'ipv4' ? 4 : 6;
}

function numberOf(address: Address): bigint {
  return address.toByteArray().reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function write(number: bigint, family: Family): string {
  const bytes = Array.from({ length: family === 4 ? 4 : 16 }, () => 0);
  for (let at = bytes.length - 1, rest = number; at >= 0; at -= 1, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
  return ipaddr.fromByteArray(bytes).toString();
}
