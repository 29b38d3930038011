/** IPv4 addresses as numbers, and the subnets that networks get. */

export interface Subnet {
  first: number;
  prefix: number;
}

export function address(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

export function subnet(text: string): Subnet | undefined {
  const [host = '', prefix = ''] = text.split('/');
  const first = address(host);
  if (first === undefined || !/^\d{1,2}$/.test(prefix) || Number(prefix) > 32) return undefined;
  return { first: first - (first % 2 ** (32 - Number(prefix))), prefix: Number(prefix) };
}

export function written({ first, prefix }: Subnet): string {
  return `${dotted(first)}/${prefix}`;
}

export function last({ first, prefix }: Subnet): number {
  return first + 2 ** (32 - prefix) - 1;
}

export function overlap(one: Subnet, other: Subnet): boolean {
  return one.first <= last(other) && other.first <= last(one);
}

/** The engine's own choice, in its order. */
export function pools(): Subnet[] {
  const wide = Array.from({ length: 15 }, (_, index) => ({ first: address(`172.${17 + index}.0.0`)!, prefix: 16 }));
  const narrow = Array.from({ length: 16 }, (_, index) => ({ first: address(`192.168.${index * 16}.0`)!, prefix: 20 }));
  return [...wide, ...narrow];
}
