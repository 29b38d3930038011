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

contract('refusals', (client) => {
  test.each(RECORDED.map((one) => [`${one.method} ${one.path} ${one.body ?? ''}`, one] as const))(
    '%s',
    async (_, { method, path, body, status, message }) => {
      const answer = await client.say(method, path, body);
      expect(answer.status).toBe(status);
      if (message !== undefined && status !== 200) expect(answer.body?.message).toBe(message);
    },
  );
});
