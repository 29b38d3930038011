import { describe, expect, test } from 'vitest';
import { network } from '../testing/sample';
import { emptyDraft, problems, request, type Draft } from './draft';

type Changes = Partial<Omit<Draft, 'v4' | 'v6'>> & { v4?: Partial<Draft['v4']>; v6?: Partial<Draft['v6']> };

function draft({ v4, v6, ...rest }: Changes): Draft {
  const empty = emptyDraft();
  return { ...empty, name: 'front', ...rest, v4: { ...empty.v4, ...v4 }, v6: { ...empty.v6, ...v6 } };
}

const taken = [
  network('back', { subnets: ['10.9.0.0/16'] }),
  network('template', { ConfigOnly: true, subnets: ['10.50.0.0/16'] }),
  network('six', { EnableIPv6: true, subnets: ['172.30.0.0/16', 'fd00:9::/64'] }),
];

describe('problems', () => {
  test.each<[string, Changes, object]>([
    ['a name alone is enough', {}, {}],
    ['no name', { name: '  ' }, { name: { is: 'empty' } }],
    ["the engine's own name", { name: 'host' }, { name: { is: 'reserved' } }],
    ['a name that is there', { name: ' back ' }, { name: { is: 'taken' } }],
    ['all of IPv4', { v4: { subnet: '10.1.0.0/24', range: '10.1.0.128/25', gateway: '10.1.0.1' } }, {}],
    ['no block', { v4: { subnet: '10.1.0.0' } }, { 'v4.subnet': { is: 'notBlock' } }],
    [
      'an address within the block',
      { v4: { subnet: '10.1.0.7/24' } },
      { 'v4.subnet': { is: 'inexact', better: '10.1.0.0/24' } },
    ],
    ['the other family', { v4: { subnet: 'fd00::/64' } }, { 'v4.subnet': { is: 'family', family: 4 } }],
    ['a subnet that overlaps', { v4: { subnet: '10.9.4.0/24' } }, { 'v4.subnet': { is: 'overlaps', network: 'back' } }],
    ["a template's subnet is free", { v4: { subnet: '10.50.0.0/16' } }, {}],
    ['a range without a subnet', { v4: { range: '10.1.0.0/25' } }, { 'v4.range': { is: 'needsSubnet' } }],
    ['a range outside', { v4: { subnet: '10.1.0.0/24', range: '10.1.1.0/25' } }, { 'v4.range': { is: 'outside' } }],
    [
      'a range larger than the subnet',
      { v4: { subnet: '10.1.0.0/24', range: '10.1.0.0/16' } },
      { 'v4.range': { is: 'outside' } },
    ],
    ['a gateway without a subnet', { v4: { gateway: '10.1.0.1' } }, { 'v4.gateway': { is: 'needsSubnet' } }],
    ['a gateway outside', { v4: { subnet: '10.1.0.0/24', gateway: '10.1.1.1' } }, { 'v4.gateway': { is: 'outside' } }],
    [
      'a gateway that is no address',
      { v4: { subnet: '10.1.0.0/24', gateway: 'one' } },
      { 'v4.gateway': { is: 'notAddress' } },
    ],
    [
      'the broadcast address',
      { v4: { subnet: '10.1.0.0/24', gateway: '10.1.0.255' } },
      { 'v4.gateway': { is: 'unusable' } },
    ],
    ['IPv6 that is off is not looked at', { v6: { subnet: 'nonsense' } }, {}],
    [
      'IPv6 that overlaps',
      { ipv6: true, v6: { subnet: 'fd00:9::/80' } },
      { 'v6.subnet': { is: 'overlaps', network: 'six' } },
    ],
    [
      "IPv6's gateway of the other family",
      { ipv6: true, v6: { subnet: 'fd00:1::/64', gateway: '10.1.0.1' } },
      { 'v6.gateway': { is: 'family', family: 6 } },
    ],
    ['no network on the loopback', { driver: 'macvlan', parent: 'lo' }, { parent: { is: 'loopback' } }],
    ['a bridge has no parent', { parent: 'lo' }, {}],
    ['an option without a name', { options: [{ name: ' ', value: '1' }] }, { options: { is: 'unnamed' } }],
    [
      'a label twice',
      {
        labels: [
          { name: 'a', value: '1' },
          { name: 'a ', value: '' },
        ],
      },
      { labels: { is: 'twice', name: 'a' } },
    ],
    ['an empty row is none', { options: [{ name: '', value: '' }] }, {}],
  ])('%s', (_, changes, expected) => {
    expect(problems(draft(changes), taken)).toEqual(expected);
  });
});

describe('request', () => {
  test('what is empty is left to the engine', () => {
    expect(request(draft({ name: ' front ' }))).toEqual({
      Name: 'front',
      Driver: 'bridge',
      EnableIPv6: false,
      Internal: false,
      Attachable: false,
      Options: {},
      Labels: {},
    });
  });

  test('everything', () => {
    const all = draft({
      driver: 'macvlan',
      parent: 'eth0',
      v4: { subnet: '10.1.0.0/24', range: '10.1.0.128/25', gateway: '10.1.0.1' },
      ipv6: true,
      v6: { subnet: 'fd00:1::/64' },
      internal: true,
      attachable: true,
      options: [{ name: ' macvlan_mode', value: 'vepa' }],
      labels: [
        { name: 'team', value: 'shop' },
        { name: '', value: '' },
      ],
    });
    expect(request(all)).toMatchObject({
      Driver: 'macvlan',
      EnableIPv6: true,
      Internal: true,
      Attachable: true,
      Options: { parent: 'eth0', macvlan_mode: 'vepa' },
      Labels: { team: 'shop' },
      IPAM: {
        Config: [{ Subnet: '10.1.0.0/24', IPRange: '10.1.0.128/25', Gateway: '10.1.0.1' }, { Subnet: 'fd00:1::/64' }],
      },
    });
  });

  test('addresses of a family that is off are not asked for, nor the parent of a bridge', () => {
    const asked = request(draft({ v6: { subnet: 'fd00:1::/64' }, parent: 'eth0' }));
    expect(asked.IPAM).toBeUndefined();
    expect(asked.Options).toEqual({});
  });
});
