import { expect, test } from 'vitest';
import { pruning } from './prune';
import { matching, networkRows } from './rows';
import { container, network } from './testing/sample';

const networks = [
  network('host', { Driver: 'host' }),
  network('bridge', { subnets: ['172.17.0.0/16'] }),
  network('net-10'),
  network('net-2', {
    EnableIPv6: true,
    Labels: { 'com.docker.compose.project': 'shop' },
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: [
        { Subnet: '10.1.0.0/24', Gateway: '10.1.0.1' },
        { Subnet: 'fd00::/64', Gateway: '' },
      ],
    },
  }),
  network('template', { ConfigOnly: true, IPAM: { Driver: 'default', Options: null, Config: null }, Labels: null }),
];

test("the person's own come first, in the order of people, the engine's last", () => {
  expect(networkRows(networks, []).map(({ name }) => name)).toEqual(['net-2', 'net-10', 'template', 'bridge', 'host']);
});

test('addresses of all pools are shown, those that are missing are not', () => {
  const row = networkRows(networks, []).find(({ name }) => name === 'net-2');
  expect(row).toMatchObject({
    subnets: ['10.1.0.0/24', 'fd00::/64'],
    gateways: ['10.1.0.1'],
    project: 'shop',
    ipv6: true,
  });
});

test('members are found by ID, and by name for those that never ran', () => {
  const rows = networkRows(networks, [
    container('b', { renamed: { NetworkID: 'id-of-net-2', IPAddress: '10.1.0.3', IPPrefixLen: 24, Aliases: ['db'] } }),
    container('a', { 'net-2': { NetworkID: '' } }, { State: 'created' }),
    container('elsewhere', { 'net-10': {} }),
    { ...container('nowhere'), NetworkSettings: null },
  ]);
  expect(rows.find(({ name }) => name === 'net-2')!.members).toMatchObject([
    { id: 'id-of-a', name: 'a', container: { state: 'created' }, ipv4: '', ipv6: '', mac: '', aliases: [] },
    { id: 'id-of-b', name: 'b', container: { state: 'running' }, ipv4: '10.1.0.3/24', aliases: ['db'] },
  ]);
});

test.each([
  ['', ['net-2', 'net-10', 'template', 'bridge', 'host']],
  ['NET', ['net-2', 'net-10']],
  ['172.17', ['bridge']],
  ['web', ['net-10']],
  ['net shop', ['net-2']],
  ['bridge web', ['net-10']],
])('%j finds %j', (typed, names) => {
  const rows = networkRows(networks, [container('web', { 'net-10': {} })]);
  expect(matching(rows, typed).map(({ name }) => name)).toEqual(names);
});

test('unused networks go: not the built-in ones, not templates, not those of containers that run', () => {
  const rows = networkRows(networks, [
    container('running', { 'net-10': {} }),
    container('stopped', { 'net-2': { NetworkID: '' } }, { State: 'exited' }),
  ]);
  const { goes, loses } = pruning(rows);
  expect(goes.map(({ name }) => name)).toEqual(['net-2']);
  expect(loses).toEqual(['stopped']);
  const paused = networkRows(networks, [container('p', { 'net-2': {} }, { State: 'paused' })]);
  expect(pruning(paused).goes.map(({ name }) => name)).toEqual(['net-10']);
});
