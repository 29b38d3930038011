import { clearMocks, mockIPC } from '@tauri-apps/api/mocks';
import { afterEach, expect, test } from 'vitest';
import { desktopHost } from './desktop';
import type { Host } from './host';

afterEach(clearMocks);

type Invoke = (command: string, argument?: unknown, options?: { headers?: Record<string, string> }) => Promise<unknown>;

test('each request says of which machine its page is, also one whose body goes up in pieces', async () => {
  const heads: string[] = [];
  mockIPC((command, argument) => {
    if (command === 'upload') heads.push((argument as { head: { machine: string } }).head.machine);
    if (command === 'shown_machine') return 'default';
    if (command === 'upload') return 1;
    if (command === 'read') return new ArrayBuffer();
    return { status: 200, headers: {}, stream: 1, upgraded: true };
  });
  // The mocks do not hand on what is beside a message.
  const { __TAURI_INTERNALS__: program } = window as unknown as { __TAURI_INTERNALS__: { invoke: Invoke } };
  const { invoke } = program;
  program.invoke = (command, argument, options) => {
    const head = options?.headers?.['x-berth-request'];
    if (head !== undefined) heads.push((JSON.parse(head) as { machine: string }).machine);
    return invoke(command, argument, options);
  };
  const asks = async ({ engine, daemon }: Host) => {
    await engine.request({ method: 'GET', path: '/x' });
    await daemon!.request({ method: 'POST', path: '/up' });
    await engine.upgrade({ method: 'POST', path: '/x' });
    await engine.request({ method: 'PUT', path: '/x', body: new Blob([new Uint8Array(2_000_000)]) });
  };
  const first = await desktopHost();
  await asks(first);
  const other = await first.desktop!.machines.use('work');
  await asks(other);
  // Whoever still has the first one means that one.
  await asks(first);
  const four = (name: string) => Array<string>(4).fill(name);
  expect(heads).toEqual([...four('default'), ...four('work'), ...four('default')]);
});
