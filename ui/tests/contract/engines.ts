/**
 * One list of cases for every engine. The simulated one is always held to it; a real one is when `BERTH_ENGINE` names its socket, as
 *
 *   BERTH_ENGINE=/path/to/engine.sock npx vitest run tests/contract
 *
 * It must have an image `busybox:latest`. What cases make there they take away again.
 */
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import type { Backend } from '$lib/backend/backend';
import { FakeEngine } from '$lib/backend/fake/engine';
import { have } from '$lib/backend/fake/scenes/catalogue';
import { Client } from './client';
import { SocketBackend } from './socket';

const SOCKET = process.env.BERTH_ENGINE;
/** A case waits for what happens, not for a while: only a busy computer needs so long. */
const PATIENCE = { timeout: 60_000 };

/** Has `define` define the cases of a noun for each engine. */
export function contract(noun: string, define: (client: Client, simulated: boolean) => void): void {
  describe(`${noun}: the simulated engine`, PATIENCE, () => cases(simulated(), define, true));
  if (SOCKET) describe(`${noun}: the real engine`, PATIENCE, () => cases(new SocketBackend(SOCKET), define, false));
  // A run of everything holds a real engine to them later (`tests/front_end` of the workspace).
  else if (!process.env.BERTH_ENGINE_LATER)
    describe.skip(`${noun}: not run against a real engine, BERTH_ENGINE names none`, () =>
      test('the same cases', () => undefined));
}

function simulated(): Backend {
  const engine = new FakeEngine();
  have(engine.world, 'busybox:latest');
  return engine;
}

function cases(backend: Backend, define: (client: Client, simulated: boolean) => void, isSimulated: boolean): void {
  const client = new Client(backend);
  beforeAll(async () => {
    // An engine that cannot be reached would fail every case with other words.
    await client.ok('GET', '/_ping');
  });
  afterEach(() => client.tidy());
  afterAll(() => client.leave());
  define(client, isSimulated);
}
