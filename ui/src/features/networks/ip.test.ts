import { describe, expect, test } from 'vitest';
import { block, holds, ip, overlap, usable } from './ip';

describe('addresses', () => {
  test.each(['10.0.0.1', '::1', 'fd00:1::a', '255.255.255.255'])('%s is one', (text) => {
    expect(ip(text)).toBeDefined();
  });

  test.each(['', '10.0.0', '10.0.0.256', '010.0.0.1', '0x0a.0.0.1', '167772161', 'fe80::1%eth0', ':::', '10.0.0.1/24'])(
    '%j is none',
    (text) => expect(ip(text)).toBeUndefined(),
  );
});

describe('blocks', () => {
  test.each([
    ['10.1.2.0/24', true, '10.1.2.0/24'],
    ['10.1.2.3/24', false, '10.1.2.0/24'],
    ['10.1.2.3/32', true, '10.1.2.3/32'],
    ['0.0.0.0/0', true, '0.0.0.0/0'],
    ['fd00:1:2::/48', true, 'fd00:1:2::/48'],
    ['fd00:1:2::5/64', false, 'fd00:1:2::/64'],
  ])('%s', (text, exact, written) => {
    expect(block(text)).toMatchObject({ exact, text: written });
  });

  test.each(['10.1.2.0', '10.1.2.0/33', '10.1.2.0/', '/24', 'fd00::/129', '10.1.2.0/24/8', '10.1.2.0/-1'])(
    '%j is none',
    (text) => {
      expect(block(text)).toBeUndefined();
    },
  );

  test('holds and overlaps', () => {
    const outer = block('10.1.0.0/16')!;
    expect(holds(outer, block('10.1.9.0/24')!)).toBe(true);
    expect(holds(block('10.1.9.0/24')!, outer)).toBe(false);
    expect(overlap(block('10.1.9.0/24')!, outer)).toBe(true);
    expect(overlap(block('10.2.0.0/16')!, outer)).toBe(false);
    expect(overlap(block('::/0')!, outer)).toBe(false);
    expect(holds(outer, ip('10.1.255.255')!)).toBe(true);
    expect(holds(outer, ip('10.2.0.0')!)).toBe(false);
    expect(holds(outer, ip('::1')!)).toBe(false);
  });

  test.each([
    ['10.0.0.0/24', '10.0.0.0', false],
    ['10.0.0.0/24', '10.0.0.1', true],
    ['10.0.0.0/24', '10.0.0.255', false],
    ['10.0.0.0/31', '10.0.0.0', true],
    ['fd00::/64', 'fd00::', false],
    ['fd00::/64', 'fd00::ffff:ffff:ffff:ffff', true],
    ['10.0.0.0/24', '10.0.1.1', false],
  ])('of %s a container can have %s: %s', (subnet, address, can) => {
    expect(usable(block(subnet)!, ip(address)!)).toBe(can);
  });
});
