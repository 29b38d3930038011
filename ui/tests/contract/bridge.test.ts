// @vitest-environment node
import { type IncomingMessage, type Server, createServer } from 'node:http';
import { type AddressInfo, createConnection, type Socket as NetSocket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ViteDevServer, createServer as createVite } from 'vite';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { WebSocket as Socket } from 'ws';
import { text } from '$lib/api/call';
import { type Request, Unreachable } from '$lib/backend/backend';
import { Http } from '$lib/backend/http';
import { bridge, own } from '../../dev/bridge';
import { raw, reads } from './client';

const ENDLESS = [
  '/events',
  '/events?filters=%7B%7D',
  '/containers/a/logs?stdout=1&follow=1',
  '/containers/a/logs?follow=true&tail=5',
  '/containers/a/stats?stream=true',
  '/berth/builds/a/logs?follow=1',
];

/** A stand-in for an engine: what it does is little, so that all that is seen is the bridge's. */
function engine(): Server {
  const server = createServer((request, response) => {
    if (request.url?.includes('/broken')) return void request.socket.destroy();
    if (request.url?.includes('instead'))
      return void response.writeHead(503).end(JSON.stringify({ message: 'the machine is stopped: run `berth up`' }));
    if (request.url === '/swarm') return void response.writeHead(503, { 'api-version': '1.51' }).end('{}');
    if (request.url?.startsWith('/events') && !request.headers.upgrade)
      return void response.writeHead(200, { 'content-type': 'application/json' }).write('first\n');
    if (request.url === '/endless')
      return void response.writeHead(200, { 'content-type': 'application/json' }).write('first\n');
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { origin, cookie, host } = request.headers;
      response.writeHead(request.url?.includes('/refused') ? 409 : 200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({
          method: request.method,
          url: request.url,
          body: Buffer.concat(chunks).toString(),
          origin,
          cookie,
          host,
        }),
      );
    });
  });
  server.on('upgrade', (request, socket) => {
    const framed = request.url?.includes('framed');
    if (request.url === '/instead')
      return void socket.end(
        'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 52\r\n\r\n{"message":"the machine is stopped: run `berth up`"}',
      );
    if (request.url === '/not-now') return void socket.end('HTTP/1.1 409 Conflict\r\ncontent-length: 6\r\n\r\npaused');
    const type = `application/vnd.docker.${framed ? 'multiplexed' : 'raw'}-stream`;
    socket.write(`HTTP/1.1 101 UPGRADED\r\ncontent-type: ${type}\r\nconnection: Upgrade\r\nupgrade: tcp\r\n\r\n`);
    socket.on('data', (bytes: Buffer) => socket.write(bytes));
    socket.on('error', () => undefined);
    // Its input has ended; it has something to say all the same.
    socket.on('end', () => socket.end('the end'));
  });
  return server;
}

/** A stand-in for a daemon; of it too only what the bridge makes of its answers is seen. */
function daemon(): Server {
  return createServer((request, response) => {
    const { host, origin } = request.headers;
    response.writeHead(200, { 'content-type': 'application/json' });
    const said = JSON.stringify({ url: request.url, host, origin });
    if (/^\/watch|follow=true/.test(request.url!)) response.write(`${said}\n`);
    else response.end(said);
  });
}

let folder: string;
let real: Server;
let control: Server;
let vite: ViteDevServer;
let base: string;
let port: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bridge-'));
  const socket = join(folder, 'engine.sock');
  real = engine();
  await new Promise<void>((ready) => real.listen({ path: socket, allowHalfOpen: true } as never, ready));
  const controlSocket = join(folder, 'control.sock');
  control = daemon();
  await new Promise<void>((ready) => control.listen(controlSocket, ready));
  vite = await createVite({
    configFile: false,
    root: folder,
    plugins: [bridge({ engine: socket, daemon: controlSocket })],
    server: { host: '127.0.0.1', port: 0, strictPort: false, hmr: false, ws: false },
    logLevel: 'silent',
    optimizeDeps: { noDiscovery: true },
  });
  await vite.listen();
  ({ port } = vite.httpServer!.address() as AddressInfo);
  base = `http://127.0.0.1:${port}/`;
  // A browser says which page opens a WebSocket; that of these tests has to be told to.
  vi.stubGlobal(
    'WebSocket',
    class extends Socket {
      constructor(url: string) {
        super(url, { origin: `http://127.0.0.1:${port}` });
      }
    },
  );
});

afterAll(async () => {
  vi.unstubAllGlobals();
  await vite.close();
  real.closeAllConnections();
  control.closeAllConnections();
  await Promise.all([real, control].map((one) => new Promise((closed) => one.close(closed))));
  await rm(folder, { recursive: true });
});

const ask = (path: string, more: Partial<Request> = {}) =>
  new Http('engine', base).request({ method: 'GET', path, ...more });

test('requests go to the engine as they are', async () => {
  expect(await new Http('engine', base).exists()).toBe(true);
  const answer = await ask('/containers/create?name=a%20b', { method: 'POST', body: '{"Image":"x"}' });
  expect(answer.status).toBe(200);
  expect(JSON.parse(await text(answer))).toEqual({
    method: 'POST',
    url: '/containers/create?name=a%20b',
    body: '{"Image":"x"}',
    host: 'docker',
  });
  expect((await ask('/refused')).status).toBe(409);
});

test('requests go to the daemon by a place of its own', async () => {
  const http = new Http('daemon', base);
  expect(await http.exists()).toBe(true);
  const fetched = vi.spyOn(globalThis, 'fetch');
  const say = (path: string) => http.request({ method: 'GET', path });
  expect(JSON.parse(await text(await say('/logs?source=daemon')))).toEqual({
    url: '/logs?source=daemon',
    host: 'docker',
  });
  expect(fetched).toHaveBeenCalledOnce();
  for (const path of ['/watch', '/logs?source=console&follow=true']) {
    const reader = (await say(path)).body.getReader();
    expect(JSON.parse(await reads(reader, '\n'))).toMatchObject({ url: path });
    await reader.cancel();
  }
  // A browser has six connections to a server: what never ends holds none of them.
  expect(fetched).toHaveBeenCalledOnce();
});

test('what a daemon says in place of an engine is said of one that is not there', async () => {
  const why = 'the machine is stopped: run `berth up`';
  for (const path of ['/instead', '/events?instead']) {
    await expect(ask(path)).rejects.toThrow(why);
    await expect(ask(path)).rejects.toBeInstanceOf(Unreachable);
  }
  const upgrade = new Http('engine', base).upgrade({ method: 'POST', path: '/instead' });
  await expect(upgrade).rejects.toThrow(why);
  // An engine of its own has reasons for the same status.
  expect((await ask('/swarm')).status).toBe(503);
});

test('a stream comes as it is written, and ends with whoever reads it', async () => {
  const abort = new AbortController();
  const gone = new Promise((resolve) => real.once('request', (_, response) => void response.on('close', resolve)));
  const answer = await ask('/endless', { signal: abort.signal });
  expect(await reads(answer.body.getReader(), 'first\n')).toBe('first\n');
  abort.abort();
  await gone;
});

test('an engine that breaks off, or is not there, is unreachable', async () => {
  await expect(ask('/broken')).rejects.toBeInstanceOf(Unreachable);
  await expect(
    new Http('engine', 'http://127.0.0.1:9/').request({ method: 'GET', path: '/_ping' }),
  ).rejects.toBeInstanceOf(Unreachable);
  const aborted = AbortSignal.abort(new Error('no longer wanted'));
  await expect(ask('/_ping', { signal: aborted })).rejects.toThrow('no longer wanted');
});

// A browser has six connections to a server, and a page of several logs would hold them all. WebSockets do not count.
test.each(ENDLESS)('what never ends comes by a WebSocket: %s', async (path) => {
  const fetched = vi.spyOn(globalThis, 'fetch');
  const abort = new AbortController();
  const asked = new Promise<IncomingMessage>((resolve) => real.once('request', (request) => resolve(request)));
  const answer = await ask(path, { signal: abort.signal, headers: { 'x-kept': 'yes' } });
  expect(fetched).not.toHaveBeenCalled();
  const request = await asked;
  expect([request.method, request.url, request.headers['x-kept']]).toEqual(['GET', path, 'yes']);
  // It is an ordinary request to the engine, not one for a connection.
  expect([request.headers.upgrade, request.headers.host]).toEqual([undefined, 'docker']);
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
  expect(answer.headers).toHaveProperty('date');
  await answer.body.cancel();
});

test.each(['/containers/a/logs?follow=0', '/containers/a/stats?stream=false', '/containers/a/json', '/images/events'])(
  'what ends comes as ever: %s',
  async (path) => {
    const fetched = vi.spyOn(globalThis, 'fetch');
    expect(JSON.parse(await text(await ask(path)))).toMatchObject({ url: path });
    expect(fetched).toHaveBeenCalledOnce();
  },
);

test('what never ends is written through, ends with whoever reads it, and fails as other requests do', async () => {
  const abort = new AbortController();
  const gone = new Promise((resolve) => real.once('request', (_, response) => void response.on('close', resolve)));
  const answer = await ask('/events?since=1', { signal: abort.signal });
  const reader = answer.body.getReader();
  expect(await reads(reader, 'first\n')).toBe('first\n');
  abort.abort(new Error('no longer wanted'));
  await expect(reader.read()).rejects.toThrow('no longer wanted');
  await gone;

  const refused = await ask('/containers/refused/logs?follow=1');
  expect([refused.status, JSON.parse(await text(refused))]).toMatchObject([409, { method: 'GET' }]);
  await expect(ask('/containers/broken/logs?follow=1')).rejects.toBeInstanceOf(Unreachable);
  const nobody = new Http('engine', 'http://127.0.0.1:9/').request({ method: 'GET', path: '/events' });
  await expect(nobody).rejects.toBeInstanceOf(Unreachable);
  await expect(ask('/events', { signal: AbortSignal.abort(new Error('not wanted at all')) })).rejects.toThrow(
    'not wanted at all',
  );
});

test('a connection is handed over, with its kind, both ways, and half closed', async () => {
  for (const framed of [true, false]) {
    const upgrade = await new Http('engine', base).upgrade({
      method: 'POST',
      path: framed ? '/framed' : '/raw',
      body: '{"Tty":false}',
    });
    if (!('duplex' in upgrade)) throw new Error('not handed over');
    const { duplex } = upgrade;
    expect(duplex.framed).toBe(framed);
    const reader = duplex.output.getReader();
    await duplex.write(new TextEncoder().encode('there and back'));
    await reads(reader, 'there and back');
    await duplex.closeWrite();
    expect(await reads(reader, 'the end')).toContain('the end');
    expect((await reader.read()).done).toBe(true);
    await expect(duplex.write(new Uint8Array(1))).rejects.toThrow('the connection has ended');
  }
});

test('an answer that is no connection comes as an answer', async () => {
  const upgrade = await new Http('engine', base).upgrade({ method: 'POST', path: '/not-now' });
  if (!('answer' in upgrade)) throw new Error('handed over');
  expect([upgrade.answer.status, await raw(upgrade.answer.body)]).toEqual([409, 'paused']);
});

test.each(['engine', 'daemon'])('only pages of this server are let through to the %s', async (peer) => {
  const as = (headers: Record<string, string>) =>
    fetch(`${base}${peer}/_ping`, { headers }).then((answer) => answer.status);
  expect(await as({ origin: 'https://elsewhere.example' })).toBe(403);
  expect(await as({ 'sec-fetch-site': 'cross-site' })).toBe(403);
  expect(await as({ origin: base.slice(0, -1) })).toBe(200);
  for (const host of ['elsewhere.example', `127.0.0.1.elsewhere.example:${port}`, ''])
    expect(own({ headers: { host } })).toBe(false);
  expect(own({ headers: { host: `localhost:${port}`, origin: `http://localhost:${port}` } })).toBe(true);
  expect(own({ headers: { host: `localhost:${port}`, origin: `http://127.0.0.1:${port}` } })).toBe(false);
  expect(await rebound(peer)).toMatch(/^HTTP\/1\.1 403 /);
});

test.each([undefined, 'https://elsewhere.example', 'null'])('a WebSocket of %s is refused', async (origin) => {
  const socket = new Socket(`ws://127.0.0.1:${port}/engine-upgrade`, origin === undefined ? {} : { origin });
  const [error] = await new Promise<[Error]>((resolve) => socket.once('error', (error) => resolve([error])));
  expect(error.message).toContain('403');
});

test('no page of another site shows these in a frame', async () => {
  for (const path of ['', 'nowhere', 'engine/_ping', 'engine/refused', 'engine/broken']) {
    const { headers } = await fetch(base + path);
    expect([path, headers.get('x-frame-options'), headers.get('content-security-policy')]).toEqual([
      path,
      'DENY',
      "frame-ancestors 'none'",
    ]);
  }
});

test.each([{ path: '/containers/a b/attach' }, { path: '/ok', headers: { 'a b': 'c' } }])(
  'a request that is none is answered, and ends nothing: %o',
  async (request) => {
    const upgrade = await new Http('engine', base).upgrade({ method: 'POST', ...request });
    if (!('answer' in upgrade)) throw new Error('handed over');
    expect(upgrade.answer.status).toBe(400);
    expect(JSON.parse(await raw(upgrade.answer.body))).toHaveProperty('message');
    expect(await new Http('engine', base).exists()).toBe(true);
  },
);

test('a WebSocket to another path is refused', async () => {
  const socket = new Socket(`ws://127.0.0.1:${port}/elsewhere`, { origin: base.slice(0, -1) });
  const [error] = await new Promise<[Error]>((resolve) => socket.once('error', (error) => resolve([error])));
  expect(error.message).toContain('404');
});

// Both would be errors that nobody listens for: those end the program.
test('a frame that is none ends its own connection alone', async () => {
  const socket = new Socket(`ws://127.0.0.1:${port}/engine-upgrade`, { origin: base.slice(0, -1) });
  await new Promise((open) => socket.once('open', open));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  // Of an operation that there is none of.
  (socket as never as { _socket: NetSocket })._socket.write(Uint8Array.of(0x8f, 0x80, 0, 0, 0, 0));
  await closed;
  expect(await new Http('engine', base).exists()).toBe(true);
});

test('a connection that is reset while it is refused ends nothing else', async () => {
  const refused = new Promise<NetSocket>((resolve) =>
    vite.httpServer!.once('upgrade', (_, socket) => resolve(socket as NetSocket)),
  );
  const socket = new Socket(`ws://127.0.0.1:${port}/engine-upgrade`, { origin: 'https://elsewhere.example' });
  socket.on('error', () => undefined);
  const ours = await refused;
  expect(ours.listenerCount('error')).toBeGreaterThan(0);
  ours.destroy(new Error('read ECONNRESET'));
  expect(await new Http('engine', base).exists()).toBe(true);
});

test('without an engine there is no bridge', async () => {
  const bare = await createVite({
    configFile: false,
    root: folder,
    plugins: [bridge({})],
    server: { host: '127.0.0.1', port: 0, hmr: false, ws: false },
    logLevel: 'silent',
    optimizeDeps: { noDiscovery: true },
  });
  await bare.listen();
  const { port: other } = bare.httpServer!.address() as AddressInfo;
  expect(await new Http('engine', `http://127.0.0.1:${other}/`).exists()).toBe(false);
  await expect(
    new Http('engine', `http://127.0.0.1:${other}/`).request({ method: 'GET', path: '/_ping' }),
  ).rejects.toThrow('has no bridge to an engine');
  expect(await new Http('daemon', `http://127.0.0.1:${other}/`).exists()).toBe(false);
  await bare.close();
});

/** A name that was made to point here: a browser sends it as the host. */
function rebound(peer: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port }, () => {
      socket.write(`GET /${peer}/_ping HTTP/1.1\r\nhost: elsewhere.example:${port}\r\nconnection: close\r\n\r\n`);
    });
    let all = '';
    socket.on('data', (bytes) => (all += bytes.toString()));
    socket.on('end', () => resolve(all));
    socket.on('error', reject);
  });
}
