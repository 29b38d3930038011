import { shortId } from '$lib/api/names';
import { describe, expect, it } from 'vitest';
import { canonical, fault, home, split, whole } from './reference';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('names of images', () => {
  it('are cut at the tag and the digest, not at a port', () => {
    expect(split('nginx')).toEqual({ name: 'nginx' });
    expect(split('nginx:1.27')).toEqual({ name: 'nginx', tag: '1.27' });
    expect(split('localhost:5000/app')).toEqual({ name: 'localhost:5000/app' });
    expect(split(`[::1]:5000/app:v1@${DIGEST}`)).toEqual({ name: '[::1]:5000/app', tag: 'v1', digest: DIGEST });
  });

  it('are taken as the engine takes them', () => {
    for (const good of [
      'busybox',
      'me/app:v1',
      'localhost:5000/x:y',
      '[::1]:5000/x',
      'ghcr.io/a-b/c_d/e__f/g.h',
      'Registry/x',
      `busybox@${DIGEST}`,
      `busybox:1@${DIGEST}`,
    ]) {
      expect([good, fault(good)]).toEqual([good, undefined]);
    }
    for (const [bad, why] of [
      ['', 'empty'],
      [':', 'format'],
      ['busybox:', 'format'],
      ['a//b', 'format'],
      ['/a', 'format'],
      ['a/', 'format'],
      ['a_-b', 'format'],
      ['a b', 'format'],
      ['-host.io/a', 'format'],
      ['a@sha256:12', 'format'],
      ['App', 'capitals'],
      ['a'.repeat(64), 'hexadecimal'],
      ['x'.repeat(240), 'long'],
      [`a:${'t'.repeat(129)}`, 'format'],
      ['<b>x</b>', 'format'],
    ]) {
      expect([bad, fault(bad!)]).toEqual([bad, why]);
    }
  });

  it('have one form to compare by', () => {
    for (const same of ['busybox', 'docker.io/busybox', 'index.docker.io/library/busybox:latest']) {
      expect(canonical(same)).toBe('docker.io/library/busybox:latest');
    }
    expect(canonical('localhost:5000/a')).toBe('localhost:5000/a:latest');
    expect(canonical(`me/a@${DIGEST}`)).toBe(`docker.io/me/a@${DIGEST}`);
    expect(whole('a')).toBe('a:latest');
    expect(home('me/app')).toEqual({ registry: 'docker.io', path: 'me/app' });
    expect(shortId(DIGEST)).toBe('a'.repeat(12));
  });
});
