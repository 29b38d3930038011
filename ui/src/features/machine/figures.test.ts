import { expect, it } from 'vitest';
import type { ContainerSummary } from '$lib/api/generated';
import type { Failure, Forward } from '$lib/api/generated/daemon';
import { en } from '$lib/i18n/en';
import { adviceOf, logOf, settable, titleOf } from './failure';
import { portsOf, share } from './figures';

const forward = (host_ip: string, host_port: number, more: Partial<Forward> = {}): Forward => ({
  id: `${host_ip} ${host_port} ${more.proto ?? 'tcp'}`,
  proto: 'tcp',
  host_ip,
  host_port,
  target_ip: '172.17.0.2',
  target_port: 80,
  ...more,
});

it('shares what is used, and nothing of nothing', () => {
  expect(share(100, 25)).toEqual({ used: 75, share: 0.75 });
  expect(share(0, 0)).toEqual({ used: 0, share: 0 });
  expect(share(10, 20)).toEqual({ used: 0, share: 0 });
});

it('shows a port of all addresses once, with a link and its container', () => {
  const container = {
    Id: 'c1',
    Names: ['/web'],
    Labels: {},
    Ports: [{ PrivatePort: 80, PublicPort: 8080, Type: 'tcp' }],
  } as unknown as ContainerSummary;
  const ports = portsOf(
    [
      forward('::', 8080),
      forward('0.0.0.0', 8080),
      forward('127.0.0.1', 53, { proto: 'udp' }),
      forward('::1', 9000),
      forward('::', 7000),
    ],
    [container],
  );
  expect(ports.map(({ here, href }) => [here, href])).toEqual([
    ['127.0.0.1:53/udp', undefined],
    ['[::]:7000/tcp', 'http://localhost:7000'],
    ['0.0.0.0:8080/tcp', 'http://localhost:8080'],
    ['[::1]:9000/tcp', 'http://[::1]:9000'],
  ]);
  expect(ports[2]!.container).toEqual({ id: 'c1', name: 'web' });
  // The same number of another protocol is another port.
  expect(portsOf([forward('0.0.0.0', 8080, { proto: 'udp' })], [container])[0]!.container).toBeUndefined();
});

const NO: Failure = { during: 'start', step: null, alive: false, unanswered: false, cause: '', console: [] };

it('advises what fits a failure: a reset is reset again, and what is there is not told to be started', () => {
  const advice = (of: Partial<Failure>) => adviceOf({ ...NO, ...of }, en.machine);
  const all = en.machine.failure.advice;
  expect(titleOf({ ...NO, during: 'reset' }, en.machine)).toBe('The reset is not complete');
  expect(titleOf({ ...NO, during: 'reset', step: 'check' }, en.machine)).toBe('The reset is not complete');
  expect(advice({ during: 'reset' })).toBe(all.reset);
  expect(advice({ during: 'reset', step: 'check' })).toBe(all.check);
  expect(advice({ during: 'run' })).toBe(all.none);
  expect(advice({ during: 'run', alive: true })).toBe(all.unusable);
  expect(advice({ step: 'link' })).toBe(all.ended);
  expect(advice({ step: 'link', alive: true })).toBe(all.link);
  expect(advice({ step: 'link', alive: true, unanswered: true })).toBe(all.unanswered);
});

it('says of a failure what it was, where to read on, and whether a setting may help', () => {
  const failure = (step: Failure['step'], alive = false): Failure => ({ ...NO, step, alive });
  const said = (...of: Parameters<typeof failure>) => {
    const one = failure(...of);
    return [titleOf(one, en.machine), logOf(one), settable(one)];
  };
  expect(said('boot')).toEqual(['The machine did not start: Boot', 'qemu', true]);
  expect(said('image')).toEqual(['The machine did not start: Guest image', 'daemon', false]);
  expect(said('engine', true)).toEqual(['The machine did not start: Engine', 'console', false]);
  expect(said(null)).toEqual(['The machine stopped by itself', 'console', false]);
  expect(said(null, true)).toEqual(['The machine cannot be used', 'console', false]);
});
