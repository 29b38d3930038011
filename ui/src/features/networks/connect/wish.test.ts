import { describe, expect, test } from 'vitest';
import { container, network } from '../testing/sample';
import { aliasesOf, candidates, problems, request, type Wish } from './wish';

const wish = (more: Partial<Wish> = {}): Wish => ({ container: 'web', ipv4: '', ipv6: '', aliases: '', ...more });

const front = network('front', {
  EnableIPv6: true,
  IPAM: {
    Driver: 'default',
    Options: null,
    Config: [
      { Subnet: '10.1.0.0/24', Gateway: '10.1.0.1' },
      { Subnet: 'fd00:1::/64', Gateway: 'fd00:1::1' },
    ],
  },
});

const members = [{ name: 'db', ipv4: '10.1.0.9/24', ipv6: 'fd00:1::9/64' }];

describe('problems', () => {
  test.each<[Partial<Wish>, object]>([
    [{}, {}],
    [{ container: '' }, { container: { is: 'noContainer' } }],
    [{ ipv4: '10.1.0.5', ipv6: 'fd00:1:0::5' }, {}],
    [{ ipv4: '10.1.0' }, { ipv4: { is: 'notAddress' } }],
    [{ ipv4: 'fd00:1::5' }, { ipv4: { is: 'family', family: 4 } }],
    [{ ipv4: '10.2.0.5' }, { ipv4: { is: 'outside' } }],
    [{ ipv4: '10.1.0.0' }, { ipv4: { is: 'unusable' } }],
    [{ ipv4: '10.1.0.1' }, { ipv4: { is: 'isGateway' } }],
    [{ ipv4: '10.1.0.9' }, { ipv4: { is: 'held', by: 'db' } }],
    [{ ipv6: 'fd00:1:0:0::9' }, { ipv6: { is: 'held', by: 'db' } }],
  ])('%j', (changes, expected) => {
    expect(problems(wish(changes), front, members)).toEqual(expected);
  });

  test('IPv6 that the network has not', () => {
    expect(problems(wish({ ipv6: 'fd00::5' }), { ...front, EnableIPv6: false }, members)).toEqual({
      ipv6: { is: 'off' },
    });
    const without = network('plain', { EnableIPv6: true, subnets: ['10.1.0.0/24'] });
    expect(problems(wish({ ipv6: 'fd00::5' }), without, [])).toEqual({ ipv6: { is: 'noSubnet' } });
  });
});

describe('request', () => {
  test('what is empty is left to the engine', () => {
    expect(request(wish(), front)).toEqual({ Container: 'web' });
  });

  test('addresses and aliases', () => {
    expect(request(wish({ ipv4: ' 10.1.0.5 ', aliases: 'api, www  api' }), front)).toEqual({
      Container: 'web',
      EndpointConfig: { IPAMConfig: { IPv4Address: '10.1.0.5' }, Aliases: ['api', 'www'] },
    });
  });

  test("the engine's own networks take neither", () => {
    const bridge = network('bridge', { subnets: ['172.17.0.0/16'] });
    expect(problems(wish({ ipv4: 'nonsense' }), bridge, [])).toEqual({});
    expect(request(wish({ ipv4: '172.17.0.9', aliases: 'a' }), bridge)).toEqual({ Container: 'web' });
  });
});

test('aliases are separated by blanks or commas', () => {
  expect(aliasesOf(' a,b  c，a ')).toEqual(['a', 'b', 'c']);
});

test('those are offered that can be connected, running ones first', () => {
  const there = [
    container('stopped', {}, { State: 'exited' }),
    container('web-10'),
    container('web-2'),
    container('on-it', { front: {} }),
    container('shares', {}, { mode: 'container:web-2' }),
    container('hosts', { host: {} }, { mode: 'host' }),
  ];
  expect(candidates(there, [{ id: 'id-of-on-it' }]).map(({ name }) => name)).toEqual(['web-2', 'web-10', 'stopped']);
});
