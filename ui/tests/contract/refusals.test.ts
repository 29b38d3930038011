// @vitest-environment node
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Request } from '$lib/backend/backend';
import { contract } from './engines';

interface Refusal {
  method: Request['method'];
  path: string;
  body?: string;
  status: number;
  /** Absent where the engines' words differ. */
  message?: string;
}

/** Recorded from dockerd: what it refuses, and with which words. The engine's own tests hold it to the same. */
const RECORDED = JSON.parse(
  readFileSync(new URL('../../../tests/fixtures/refusals.json', import.meta.url), 'utf8'),
) as Refusal[];

/** What the simulation does not know, since no page asks for it. That it still does not is checked, so that the list stays true. */
const LEFT_OUT: [RegExp, string][] = [
  [
    / \/(swarm|nodes|services|tasks|secrets|configs|plugins|distribution)\b/,
    'clusters, plugins, digests in registries',
  ],
  [/\/checkpoints/, 'checkpoints'],
  [/ \/v\d| \/v1 |^OPTIONS | \/.*\/\/| \/\//, 'versions of the API, and paths as nobody here writes them'],
  [/fromSrc=(ftp|http|127)|fromSrc=-&changes/, 'imports from addresses, or with changes'],
  [/search\?term=(127|a:b)/, 'searches in registries without an index'],
  [/attach\?stream=1 /, 'attach without an upgrade: with one it is in streams.test.ts'],
  [
    /"(CapAdd|CapDrop|IOMaximum\w+|OomScoreAdj|IpcMode|PidMode|UTSMode|CgroupnsMode|Isolation|SecurityOpt|StorageOpt|Annotations|Links|VolumeDriver)"/,
    'settings that the pages only show',
  ],
  [
    /"(MacAddress|DriverOpts|LinkLocalIPs|Propagation|Subpath|TmpfsOptions|DriverConfig)"|"Type": "image"/,
    'endpoints and mounts in detail',
  ],
  [/"hostconfig"/, 'members in other letters'],
];

contract('refusals', (client, simulated) => {
  const cases = RECORDED.map((one) => [`${one.method} ${one.path} ${one.body ?? ''}`, one] as const);
  const isLeftOut = (name: string) => simulated && LEFT_OUT.some(([pattern]) => pattern.test(name));

  async function difference({ method, path, body, status, message }: Refusal): Promise<string | undefined> {
    const answer = await client.say(method, path, body);
    const words = String((answer.body as { message?: string } | undefined)?.message ?? answer.text).trim();
    if (answer.status !== status) return `${answer.status} ${words}`;
    return message === undefined || status === 200 || words === message.trim() ? undefined : words;
  }

  test.each(cases.filter(([name]) => !isLeftOut(name)))('%s', async (_, recorded) => {
    expect(await difference(recorded)).toBe(undefined);
  });

  test.runIf(simulated)('what is left out, is', async () => {
    const useless: string[] = [];
    for (const [pattern, what] of LEFT_OUT) {
      const those = cases.filter(([name]) => pattern.test(name));
      const found = [];
      for (const [, recorded] of those) found.push(await difference(recorded));
      if (found.every((one) => one === undefined)) useless.push(what);
    }
    expect(useless).toEqual([]);
  });
});
