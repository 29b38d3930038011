import { expect, test } from 'vitest';
import { networkRows } from '../rows';
import { container, network } from '../testing/sample';
import { graph, NOWHERE } from './graph';
import { boxIn, linesOf } from './measure';
import { OUTSIDE } from './layout';

const networks = [
  network('bridge'),
  network('host', { Driver: 'host' }),
  network('none', { Driver: 'null' }),
  network('front', { subnets: ['10.1.0.0/24'] }),
  network('back', { Internal: true }),
  network('template', { ConfigOnly: true }),
];

function of(...containers: ReturnType<typeof container>[]) {
  return graph(networkRows(networks, containers), containers);
}

test('lanes are the networks that something can be on', () => {
  expect(of().lanes.map(({ name }) => name)).toEqual(['back', 'front', 'bridge']);
  const lanes = of(container('a', { host: {} }), container('b', { none: {} })).lanes;
  expect(lanes.map(({ name, kind }) => [name, kind])).toEqual([
    ['back', 'bridge'],
    ['front', 'bridge'],
    ['bridge', 'bridge'],
    ['host', 'host'],
    ['none', 'none'],
  ]);
});

test('a container lies in the lane of its first network', () => {
  const web = container('web', {
    front: { IPAddress: '10.1.0.2', IPPrefixLen: 24, GlobalIPv6Address: 'fd00::2', GlobalIPv6PrefixLen: 64 },
    back: { IPAddress: '10.2.0.2', IPPrefixLen: 24 },
  });
  const [box] = of(web).boxes;
  expect(box).toMatchObject({
    home: 'id-of-back',
    endpoints: [
      { network: 'back', addresses: ['10.2.0.2'] },
      { network: 'front', addresses: ['10.1.0.2', 'fd00::2'] },
    ],
  });
  expect(boxIn(box!).exits.map(({ to }) => to)).toEqual(['id-of-front']);
  expect(linesOf(box!).map((line) => (line.kind === 'address' ? [line.network, line.text] : line.kind))).toEqual([
    ['back', '10.2.0.2'],
    ['front', '10.1.0.2'],
    [undefined, 'fd00::2'],
  ]);
});

test('only published ports lead outside, and each once', () => {
  const ports = [
    { PrivatePort: 80, PublicPort: 8080, IP: '0.0.0.0', Type: 'tcp' },
    { PrivatePort: 80, PublicPort: 8080, IP: '::', Type: 'tcp' },
    { PrivatePort: 9000, Type: 'tcp' },
  ];
  const [box] = of(container('web', { front: {} }, { Ports: ports })).boxes;
  expect(box!.ports.map(({ text }) => text)).toEqual(['8080:80']);
  expect(boxIn(box!).exits.map(({ to }) => to)).toEqual([OUTSIDE]);
});

test('of many ports the first are shown, and how many more there are', () => {
  const ports = Array.from({ length: 7 }, (_, at) => ({
    PrivatePort: 80 + at,
    PublicPort: 8080 + at,
    IP: '0.0.0.0',
    Type: 'tcp',
  }));
  const [box] = of(container('web', { front: {} }, { Ports: ports })).boxes;
  expect(
    linesOf(box!)
      .slice(1)
      .map(({ kind }) => kind),
  ).toEqual(['port', 'port', 'port', 'ports']);
  expect(linesOf(box!).at(-1)).toEqual({ kind: 'ports', left: 4 });
});

test("who shares a container's network lies beside it and hangs on nothing", () => {
  const { boxes } = of(
    container('a-helper', {}, { mode: 'container:id-of-web' }),
    container('other', { front: {} }),
    container('web', { front: {} }),
  );
  expect(boxes.map(({ name, home }) => [name, home])).toEqual([
    ['other', 'id-of-front'],
    ['web', 'id-of-front'],
    ['a-helper', 'id-of-front'],
  ]);
  expect(boxes[2]).toMatchObject({ shares: 'web', endpoints: [] });
  expect(boxIn(boxes[2]!).hangs).toBe(false);
});

test('a container of no network, or of one that is gone, is shown all the same', () => {
  const { lanes, boxes } = of(container('lost', { removed: {} }), container('orphan', {}, { mode: 'container:gone' }));
  expect(boxes.map(({ home }) => home)).toEqual([NOWHERE, NOWHERE]);
  expect(lanes.at(-1)).toMatchObject({ id: NOWHERE, kind: 'nowhere', count: 2 });
});
