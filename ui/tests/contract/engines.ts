/**
 * One list of cases for every engine. The simulated one is always held to it; a real one is when `BERTH_ENGINE` names its socket, as
 *
 *   BERTH_ENGINE=/path/to/engine.sock npx vitest run tests/contract
 *
 * It must have an image `busybox:latest`. What cases make there they take away again. Cases about builds and registries need what
 * `tests/front_end` of the workspace makes, which tells of it in `BERTH_CONTRACT`.
 */
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import type { Backend } from '$lib/backend/backend';
import { FakeEngine } from '$lib/backend/fake/engine';
import { have } from '$lib/backend/fake/scenes/catalogue';
import { Client } from './client';
import { type Place, real, simulated } from './place';
import { builds } from './scene';
import { SocketBackend } from './socket';

const SOCKET = process.env.BERTH_ENGINE;
const TOLD = process.env.BERTH_CONTRACT;
/** A case waits for what happens, not for a while: only a busy computer needs so long. */
const PATIENCE = { timeout: 60_000 };

type Cases<More extends unknown[]> = (client: Client, simulated: boolean, ...more: More) => void;

/** Has `define` define the cases of a noun for each engine. */
export function contract(noun: string, define: Cases<[]>): void {
  hold(noun, define, SOCKET !== undefined, 'BERTH_ENGINE names none');
}

/** The same for cases that need builds behind them and registries around them. */
export function contractAround(noun: string, define: Cases<[Place]>): void {
  const there = SOCKET !== undefined && TOLD !== undefined;
  hold(
    noun,
    (client, isSimulated) => define(client, isSimulated, isSimulated ? PLACE : real(TOLD!)),
    there,
    'BERTH_CONTRACT says nothing',
  );
}

function hold(noun: string, define: Cases<[]>, there: boolean, why: string): void {
  describe(`${noun}: the simulated engine`, PATIENCE, () => cases(ENGINE, define, true));
  if (there) describe(`${noun}: the real engine`, PATIENCE, () => cases(new SocketBackend(SOCKET!), define, false));
  // A run of everything holds a real engine to them later (`tests/front_end` of the workspace).
  else if (!process.env.BERTH_ENGINE_LATER)
    describe.skip(`${noun}: not run against a real engine, ${why}`, () => test('the same cases', () => undefined));
}

const ENGINE = new FakeEngine();
have(ENGINE.world, 'busybox:latest');
builds(ENGINE.world);
const PLACE = simulated(ENGINE);

function cases(backend: Backend, define: Cases<[]>, isSimulated: boolean): void {
  const client = new Client(backend);
  beforeAll(async () => {
    // An engine that cannot be reached would fail every case with other words.
    await client.ok('GET', '/_ping');
  });
  afterEach(() => client.tidy());
  afterAll(() => client.leave());
  define(client, isSimulated);
}
