import { describe, expect, it } from 'vitest';
import type { Port } from '$lib/api/generated';
import { portViews } from './ports';

const port = (IP: string | undefined, PublicPort: number | undefined, PrivatePort: number, Type = 'tcp'): Port => ({
  IP,
  PublicPort,
  PrivatePort,
  Type,
});

describe('ports', () => {
  it.each([
    ['any address', port('0.0.0.0', 8080, 80), '8080:80', 'http://127.0.0.1:8080'],
    ['no address told', port(undefined, 8080, 80), '8080:80', 'http://127.0.0.1:8080'],
    ['any address of IPv6 alone', port('::', 8080, 80), '8080:80', 'http://[::1]:8080'],
    ['this computer', port('127.0.0.1', 8080, 80), '127.0.0.1:8080:80', 'http://127.0.0.1:8080'],
    ['another address', port('192.168.1.5', 8080, 80), '192.168.1.5:8080:80', 'http://192.168.1.5:8080'],
    ['an address of IPv6', port('fd00::5', 8080, 80), '[fd00::5]:8080:80', 'http://[fd00::5]:8080'],
    ['TLS', port('0.0.0.0', 8443, 443), '8443:443', 'https://127.0.0.1:8443'],
    ['UDP', port('0.0.0.0', 53, 53, 'udp'), '53:53/udp', undefined],
    ['SCTP', port('0.0.0.0', 5000, 5000, 'sctp'), '5000:5000/sctp', undefined],
  ])('%s', (_, given, text, href) => {
    const [view] = portViews([given]);
    expect(view!.text).toBe(text);
    expect(view!.href).toBe(href);
  });

  it('shows once what is published for IPv4 and IPv6 alike', () => {
    const views = portViews([port('0.0.0.0', 8080, 80), port('::', 8080, 80)]);
    expect(views.map((view) => view.text)).toEqual(['8080:80']);
  });

  it('shows both when the two have other ports here', () => {
    const views = portViews([port('0.0.0.0', 8080, 80), port('::', 8081, 80)]);
    expect(views.map((view) => view.href)).toEqual(['http://127.0.0.1:8080', 'http://[::1]:8081']);
  });

  it('puts exposed ports last, without a link, and not when they are published', () => {
    const views = portViews([
      port(undefined, undefined, 443),
      port(undefined, undefined, 80),
      port('0.0.0.0', 8080, 80),
      port(undefined, undefined, 443),
    ]);
    expect(views).toEqual([{ text: '8080:80', href: 'http://127.0.0.1:8080', bound: '0.0.0.0' }, { text: '443/tcp' }]);
  });

  it('orders by the port in the container', () => {
    const views = portViews([port('0.0.0.0', 1, 9000), port('0.0.0.0', 70, 80), port('0.0.0.0', 60, 80)]);
    expect(views.map((view) => view.text)).toEqual(['60:80', '70:80', '1:9000']);
  });
});
