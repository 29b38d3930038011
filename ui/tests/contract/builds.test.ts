// @vitest-environment node
import { expect, test } from 'vitest';
import type { Build, BuildInspect } from '$lib/api/builds';
import { contract, contractAround } from './engines';
import { expectBuild } from './builds';

const REF = 'nosuchbuild0000000000000z';
const UNKNOWN = [404, `no build record found for ref ${REF}`];

/** A line of a log: of a step its name, what it says and when, its progress, its end; what was found between them; or nothing. */
const LINE =
  /^($|#\d+ (\[.+\] .+|exporting to image|\.\.\.|\d+\.\d{3} .*|[a-z].*|CACHED|DONE \d+\.\ds|ERROR: .+)$|------$| > \[.+\].*:$|\d+\.\d{3} .*)/;

contract('builds', (client) => {
  test('that nobody knows are said to be unknown, whatever is wanted of them', async () => {
    expect(await client.refused('GET', `/berth/builds/${REF}`)).toEqual(UNKNOWN);
    expect(await client.refused('GET', `/berth/builds/${REF}/logs`)).toEqual(UNKNOWN);
    expect(await client.refused('GET', `/berth/builds/${REF}/logs?follow=1`)).toEqual(UNKNOWN);
    expect(await client.refused('DELETE', `/berth/builds/${REF}`)).toEqual(UNKNOWN);
  });
});

contractAround('builds that were', (client) => {
  async function whole(dockerfile: string): Promise<BuildInspect> {
    const all = (await client.ok('GET', '/berth/builds')).body as Build[];
    const found = all.find((build) => build.Dockerfile === dockerfile);
    expect(found, `${dockerfile} among ${JSON.stringify(all)}`).toBeDefined();
    return (await client.ok('GET', `/berth/builds/${found!.Ref}`)).body as BuildInspect;
  }
  const log = async ({ Ref }: Build, more = '') => {
    const { text, headers } = await client.ok('GET', `/berth/builds/${Ref}/logs${more}`);
    expect(headers['content-type']).toMatch(/^text\/plain/);
    return text;
  };
  const step = ({ Vertices }: BuildInspect, name: string) => {
    const found = Vertices.find((vertex) => vertex.Name === name);
    expect(found, `${name} among ${JSON.stringify(Vertices)}`).toBeDefined();
    return found!;
  };

  test('are listed, the newest first, each as it is inspected', async () => {
    const { body, headers } = await client.ok('GET', '/berth/builds');
    expect(headers['content-type']).toMatch(/^application\/json/);
    const list = body as Build[];
    expect(list.length).toBeGreaterThan(1);
    const times = list.map(({ CreatedAt }) => Date.parse(CreatedAt));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    for (const build of list) {
      expectBuild({ ...build });
      const inspected = (await client.ok('GET', `/berth/builds/${build.Ref}`)).body as BuildInspect;
      expectBuild({ ...inspected }, true);
      expect(inspected).toMatchObject(build);
      expect(inspected.Steps.Total).toBe(inspected.Vertices.length);
    }
  });

  test('tell what came of them, and of which steps', async () => {
    const good = await whole('Dockerfile.good');
    expect(good).toMatchObject({
      Name: 'files/Dockerfile.good',
      // The CLI sends a folder's files, not its name.
      Context: '',
      Target: '',
      Status: 'completed',
      Tags: ['docker.io/library/contract-built:1'],
      ImageID: (await client.ok('GET', '/images/contract-built:1/json')).body.Id,
    });
    expect(good.Steps.Completed).toBe(good.Steps.Total);
    const run = step(good, '[2/2] RUN echo said; echo told >&2');
    expect(run).toMatchObject({ Cached: false, Error: '' });
    for (const name of [
      '[internal] load build definition from Dockerfile.good',
      '[internal] load metadata for docker.io/library/busybox:latest',
      'exporting to image',
    ])
      step(good, name);
    expect(
      good.Vertices.map(({ Name }) => Name).find((name) => name.startsWith('[1/2] FROM docker.io/')),
    ).toBeDefined();

    const bad = await whole('Dockerfile.bad');
    const why = 'process "/bin/sh -c echo why; exit 7" did not complete successfully: exit code: 7';
    expect(bad).toMatchObject({ Status: 'error', Tags: [], ImageID: '' });
    expect(bad.Error).toContain(why);
    expect(step(bad, '[2/2] RUN echo why; exit 7').Error).toBe(why);
    expect(bad.Vertices.some(({ Name }) => Name === 'exporting to image')).toBe(false);
  });

  test('keep what was said, of all steps and of one', async () => {
    const good = await whole('Dockerfile.good');
    const all = await log(good);
    for (const line of all.split('\n')) expect(line).toMatch(LINE);
    expect(all).toMatch(/^#\d+ \[2\/2\] RUN echo said; echo told >&2$/m);
    expect(all).toMatch(/^#\d+ \d+\.\d{3} said$/m);
    expect(all).toMatch(/^#\d+ DONE \d+\.\ds$/m);
    const { Digest } = step(good, '[2/2] RUN echo said; echo told >&2');
    const own = await log(good, `?vertex=${Digest}`);
    // Two streams have no order between them.
    expect(own.split('\n').toSorted()).toEqual(['', 'said', 'told']);
    // It has ended, so that there is nothing to wait for.
    expect(await log(good, '?follow=1')).toBe(all);
    expect(await log(good, `?vertex=${Digest}&follow=1`)).toBe(own);
    expect(await log(good, '?vertex=sha256:none')).toBe('');

    const bad = await whole('Dockerfile.bad');
    const failed = await log(bad);
    for (const line of failed.split('\n')) expect(line).toMatch(LINE);
    expect(failed).toMatch(/^#\d+ \d+\.\d{3} why$/m);
    expect(failed).toMatch(/^#\d+ ERROR: process .+ exit code: 7$/m);
    expect(await log(bad, `?vertex=${step(bad, '[2/2] RUN echo why; exit 7').Digest}`)).toBe('why\n');
  });

  // The last one.
  test('are forgotten when they are removed', async () => {
    const { Ref } = await whole('Dockerfile.bad');
    const { status, text } = await client.ok('DELETE', `/berth/builds/${Ref}`);
    expect([status, text]).toEqual([204, '']);
    const unknown = [404, `no build record found for ref ${Ref}`];
    expect(await client.refused('GET', `/berth/builds/${Ref}`)).toEqual(unknown);
    expect(await client.refused('GET', `/berth/builds/${Ref}/logs`)).toEqual(unknown);
    expect(await client.refused('DELETE', `/berth/builds/${Ref}`)).toEqual(unknown);
    const all = (await client.ok('GET', '/berth/builds')).body as Build[];
    expect(all.map((build) => build.Ref)).not.toContain(Ref);
  });
});
