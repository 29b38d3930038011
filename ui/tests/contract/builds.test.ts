// @vitest-environment node
import { expect, test } from 'vitest';
import { contract } from './engines';
import { expectBuild } from './builds';

const REF = 'nosuchbuild0000000000000z';
const UNKNOWN = [404, `no build record found for ref ${REF}`];

contract('builds', (client) => {
  test('are listed as an array, the newest first, each as it is inspected', async () => {
    const { body, headers } = await client.ok('GET', '/berth/builds');
    expect(headers['content-type']).toMatch(/^application\/json/);
    expect(Array.isArray(body)).toBe(true);
    const times = (body as { CreatedAt: string }[]).map(({ CreatedAt }) => Date.parse(CreatedAt));
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    for (const build of body) {
      expectBuild(build);
      // One that runs is further by then.
      if (build.Status === 'running') continue;
      const inspected = (await client.ok('GET', `/berth/builds/${build.Ref}`)).body;
      expectBuild(inspected, true);
      expect(inspected).toMatchObject(build);
      const log = await client.ok('GET', `/berth/builds/${build.Ref}/logs`);
      expect(log.headers['content-type']).toMatch(/^text\/plain/);
    }
  });

  test('that nobody knows are said to be unknown, whatever is wanted of them', async () => {
    expect(await client.refused('GET', `/berth/builds/${REF}`)).toEqual(UNKNOWN);
    expect(await client.refused('GET', `/berth/builds/${REF}/logs`)).toEqual(UNKNOWN);
    expect(await client.refused('GET', `/berth/builds/${REF}/logs?follow=1`)).toEqual(UNKNOWN);
    expect(await client.refused('DELETE', `/berth/builds/${REF}`)).toEqual(UNKNOWN);
  });
});
