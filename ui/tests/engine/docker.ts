import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { test as base } from '@playwright/test';

const run = promisify(execFile);

/** The stock docker CLI, on the engine that the pages show. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run(process.env.DOCKER ?? 'docker', args, { timeout: 60_000 });
  return stdout.trim();
}

/** With a name for what a case makes; what begins with it is removed afterwards. */
export const test = base.extend<{ mine: string }>({
  mine: async ({}, use, { workerIndex, testId }) => {
    const mine = `pages-${workerIndex}-${testId.slice(-8)}`;
    await use(mine);
    for (const [list, remove] of [
      [
        ['ps', '-aq'],
        ['rm', '-fv'],
      ],
      [
        ['volume', 'ls', '-q'],
        ['volume', 'rm'],
      ],
      [
        ['network', 'ls', '-q'],
        ['network', 'rm'],
      ],
    ] as const) {
      const found = (await docker(...list, '--filter', `name=${mine}`)).split('\n').filter(Boolean);
      if (found.length > 0) await docker(...remove, ...found);
    }
    const references = ['--filter', `reference=${mine}*`, '--filter', `reference=*/${mine}*`];
    const images = (await docker('images', '-q', ...references)).split('\n').filter(Boolean);
    if (images.length > 0) await docker('rmi', '-f', ...new Set(images));
  },
});
