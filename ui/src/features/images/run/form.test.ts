import { describe, expect, it } from 'vitest';
import type { ContainerSummary, ImageConfig } from '$lib/api/generated';
import { problems } from './check';
import { blank, environment, fill, request, type Form } from './form';
import { holder, hostOf, suggest, taken } from './ports';

const CONFIG: ImageConfig = {
  Cmd: ['nginx', '-g', 'daemon off;'],
  Entrypoint: ['/entry.sh'],
  Env: ['PATH=/bin', 'MODE=a=b'],
  ExposedPorts: { '80/tcp': {}, '53/udp': {}, '9/dccp': {} },
  Labels: null,
  OnBuild: null,
  User: '',
  Volumes: { '/data': {} },
  WorkingDir: '',
};

const HOLDS = {
  Id: 'c1',
  Names: ['/front'],
  Ports: [
    { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
    { IP: '127.0.0.1', PrivatePort: 81, PublicPort: 9000, Type: 'tcp' },
    { PrivatePort: 82, Type: 'tcp' },
  ],
} as ContainerSummary;

const filled = fill(blank('nginx:1'), CONFIG, (port, protocol) => suggest(port, protocol, taken([HOLDS])));
const of = (changes: Partial<Form>) =>
  problems({ ...blank('nginx'), ...changes }, [HOLDS]).map((problem) => `${problem.field} ${problem.kind}`);

describe('a form to run an image', () => {
  it('is filled from the configuration', () => {
    expect(filled.command).toBe("nginx -g 'daemon off;'");
    expect(filled.ports).toEqual([
      { container: '80', protocol: 'tcp', host: '8081' },
      { container: '53', protocol: 'udp', host: '8053' },
    ]);
    expect(filled.mounts).toEqual([{ kind: 'volume', source: '', target: '/data', readOnly: false }]);
    expect(filled.env).toContainEqual({ name: 'MODE', value: 'a=b' });
    expect(filled.terminal).toBe(false);
    expect(problems(filled, [HOLDS])).toEqual([]);
  });

  it('has a terminal for a shell', () => {
    for (const [Cmd, wanted] of [
      [['/bin/bash'], true],
      [['sh'], true],
      [['sh', '-c', 'true'], false],
      [['node'], false],
    ] as const) {
      const config = { ...CONFIG, Entrypoint: null, Cmd: [...Cmd] };
      expect(fill(blank(), config, () => '').terminal).toBe(wanted);
    }
  });

  it('leaves to the image what is as in the image', () => {
    const sent = request(filled, { Config: CONFIG });
    expect(sent).not.toHaveProperty('Cmd');
    expect(sent).not.toHaveProperty('Entrypoint');
    expect(sent.Env).toEqual([]);
    expect(sent.HostConfig).toMatchObject({
      PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8081' }], '53/udp': [{ HostIp: '', HostPort: '8053' }] },
      Mounts: [{ Type: 'volume', Target: '/data' }],
      RestartPolicy: { Name: 'no' },
    });
    expect(sent.HostConfig!.Mounts![0]).not.toHaveProperty('Source');
  });

  it('sends the command along with another entry point, which would lose it', () => {
    expect(request({ ...filled, entrypoint: '/bin/sh' }, { Config: CONFIG })).toMatchObject({
      Entrypoint: ['/bin/sh'],
      Cmd: CONFIG.Cmd,
    });
  });

  it('says what changed in the environment, and what was taken away', () => {
    const rows = [
      { name: 'PATH', value: '/bin' },
      { name: 'NEW', value: '' },
      { name: '', value: '' },
    ];
    expect(environment(rows, CONFIG.Env!)).toEqual(['NEW=', 'MODE']);
  });

  it('binds a port to several of the host, and several addresses', () => {
    const ports: Form['ports'] = [
      { container: '80', protocol: 'tcp', host: '127.0.0.1:8000-8010' },
      { container: '80', protocol: 'tcp', host: '' },
    ];
    expect(request({ ...blank('a'), ports }, undefined).HostConfig!.PortBindings).toEqual({
      '80/tcp': [
        { HostIp: '127.0.0.1', HostPort: '8000-8010' },
        { HostIp: '', HostPort: '' },
      ],
    });
  });

  it('carries policy, mounts and terminal', () => {
    const sent = request(
      {
        ...blank('a'),
        restart: 'on-failure',
        retries: '3',
        terminal: true,
        network: 'back',
        mounts: [
          { kind: 'bind', source: '/src', target: '/app', readOnly: true },
          { kind: 'tmpfs', source: 'left over', target: '/tmp', readOnly: false },
        ],
      },
      undefined,
    );
    expect(sent).toMatchObject({ Tty: true, OpenStdin: true });
    expect(sent.HostConfig).toMatchObject({
      NetworkMode: 'back',
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      Mounts: [
        { Type: 'bind', Source: '/src', Target: '/app', ReadOnly: true },
        { Type: 'tmpfs', Target: '/tmp' },
      ],
    });
    expect(sent.HostConfig!.Mounts![1]).not.toHaveProperty('Source');
  });
});

describe('problems of a form', () => {
  const port = (host: string, container = '80', protocol: 'tcp' | 'udp' = 'tcp') => ({ container, protocol, host });

  it('are found at their fields', () => {
    expect(of({})).toEqual([]);
    expect(of({ image: 'A' })).toEqual(['image image']);
    expect(of({ image: 'sha256:' + 'a'.repeat(64) })).toEqual([]);
    expect(of({ name: 'x' })).toEqual(['name name']);
    expect(of({ name: '-web' })).toEqual(['name name']);
    expect(of({ name: 'front' })).toEqual(['name nameTaken']);
    expect(of({ command: "it's", entrypoint: '"' })).toEqual(['entrypoint quotes', 'command quotes']);
    expect(of({ restart: 'always', autoRemove: true })).toEqual(['restart removeAndRestart']);
    expect(of({ restart: 'on-failure', retries: '-1' })).toEqual(['retries retries']);
  });

  it('know which ports containers hold', () => {
    expect(of({ ports: [port('8080')] })).toEqual(['ports.0.host portTaken']);
    expect(of({ ports: [port('127.0.0.1:8080')] })).toEqual(['ports.0.host portTaken']);
    expect(of({ ports: [port('8080', '80', 'udp')] })).toEqual([]);
    expect(of({ ports: [port('9000')] })).toEqual(['ports.0.host portTaken']);
    expect(of({ ports: [port('127.0.0.2:9000')] })).toEqual([]);
    expect(of({ ports: [port('8080-8081')] })).toEqual([]);
    expect(of({ ports: [port('7000'), port('7000', '81')] })).toEqual(['ports.1.host portTwice']);
    expect(of({ ports: [port(''), port('')] })).toEqual([]);
    expect(of({ ports: [port('70000'), port('1', 'http'), port('a.b:1')] })).toEqual([
      'ports.0.host hostPort',
      'ports.1.container containerPort',
      'ports.2.host hostPort',
    ]);
  });

  it('are found in mounts and variables', () => {
    const mount = (target: string, source = '', kind: 'volume' | 'bind' = 'volume') => ({
      kind,
      source,
      target,
      readOnly: false,
    });
    expect(of({ mounts: [mount('data'), mount('/'), mount('/a'), mount('/a/')] })).toEqual([
      'mounts.0.target target',
      'mounts.1.target targetRoot',
      'mounts.3.target targetTwice',
    ]);
    expect(of({ mounts: [mount('/a', 'x'), mount('/b', '', 'bind')] })).toEqual([
      'mounts.0.source volumeName',
      'mounts.1.source bindSource',
    ]);
    const env = [
      { name: '', value: '' },
      { name: '', value: 'x' },
      { name: 'A', value: '' },
      { name: 'A', value: '' },
    ];
    expect(of({ env })).toEqual(['env.1.name envName', 'env.3.name envTwice']);
  });
});

describe('ports of the host', () => {
  it('are written in several ways', () => {
    expect(hostOf('')).toEqual({ address: '', ports: '', range: undefined });
    expect(hostOf('0')?.ports).toBe('');
    expect(hostOf('127.0.0.1:')).toEqual({ address: '127.0.0.1', ports: '', range: undefined });
    expect(hostOf('[::1]:80-81')).toEqual({ address: '::1', ports: '80-81', range: [80, 81] });
    for (const bad of ['x', '80:80:80', '81-80', '256.1.1.1:80', '[x]:80', '-1', '1.2.3:80', '::1:80']) {
      expect([bad, hostOf(bad)]).toEqual([bad, undefined]);
    }
  });

  it('are held as ranges only when all of them are', () => {
    const held = [1, 2].map((port) => ({ port, protocol: 'tcp', address: '', by: `c${port}` }));
    expect(holder(hostOf('1-2')!, 'tcp', held)?.by).toBe('c1');
    expect(holder(hostOf('1-3')!, 'tcp', held)).toBeUndefined();
  });
});
