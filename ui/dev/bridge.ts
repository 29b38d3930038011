/**
 * `BERTH_ENGINE=/path/to/engine.sock BERTH_CONTROL=/path/to/control.sock npm run dev`: pages in a browser over a real engine and its daemon,
 * or one of them. Below `/engine/` and `/daemon/` requests go to the sockets as they are; a WebSocket at `/engine-upgrade` or
 * `/daemon-upgrade` becomes a connection that is handed over, or an answer without end (`hijack.ts`). Without the variables this does nothing.
 *
 * Whoever speaks to these sockets may do anything to the machine, so only pages that this very server gave out are let through: not
 * another site's that a browser has open, nor a name that was made to point here (DNS rebinding). Other users of the same computer can
 * reach the port: it is a tool for development, and bound to the loopback address alone.
 */
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Connect, Plugin } from 'vite';
import { WebSocketServer } from 'ws';
import { hijack } from './hijack';

/** On every answer of the bridge: who gave it, or `unreachable`, `foreign` or `malformed` if the bridge did. */
export const MARK = 'x-berth-bridge';

/** The sockets that there are. */
export type Sockets = { engine?: string; daemon?: string };
const PEERS = ['engine', 'daemon'] as const;
type Peer = (typeof PEERS)[number];

function ofEnvironment({ BERTH_ENGINE, BERTH_CONTROL } = process.env): Sockets {
  return { engine: BERTH_ENGINE || undefined, daemon: BERTH_CONTROL || undefined };
}

export function bridge(sockets: Sockets = ofEnvironment()): Plugin {
  const serve = (server: { middlewares: Connect.Server; httpServer: unknown }, hmr: boolean) => {
    const peers = PEERS.filter((peer) => sockets[peer] !== undefined);
    if (peers.length === 0) return;
    const http = server.httpServer as Server | null;
    // Before all others, so that no answer goes without.
    http?.prependListener('request', (_: IncomingMessage, response: ServerResponse) => unframed(response));
    for (const peer of peers) server.middlewares.use(proxy(peer, sockets[peer]!));
    const webSockets = new WebSocketServer({ noServer: true });
    http?.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (hmr && VITES.test(message.headers['sec-websocket-protocol'] ?? '')) return;
      // Node has taken its own listener off; an error that nobody listens for would end the server.
      socket.on('error', () => socket.destroy());
      const peer = peers.find((peer) => pathOf(message) === `/${peer}-upgrade`);
      if (peer === undefined) {
        socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
        return;
      }
      // A browser always names the origin of a page that opens a WebSocket, and nothing else keeps other sites' pages out.
      if (message.headers.origin === undefined || !own(message)) {
        socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n');
        return;
      }
      webSockets.handleUpgrade(message, socket, head, (client) => hijack(client, sockets[peer]!));
    });
  };
  return {
    name: 'berth-bridge',
    configureServer: (server) => serve(server, true),
    configurePreviewServer: (server) => serve(server, false),
  };
}

/** Connections by which Vite tells pages of changed files: its own listener takes them. */
const VITES = /^vite-(hmr|ping)$/;

/** A page of another site could show these in a frame, and lead a person's clicks to what removes things. */
function unframed(response: ServerResponse): void {
  response.setHeader('x-frame-options', 'DENY');
  response.setHeader('content-security-policy', "frame-ancestors 'none'");
}

/** Requests below `/engine/` to the engine, or below `/daemon/` to the daemon; others pass by. */
function proxy(peer: Peer, socketPath: string): Connect.NextHandleFunction {
  return (message, response, next) => {
    if (!pathOf(message).startsWith(`/${peer}/`)) {
      next();
      return;
    }
    if (!own(message)) {
      refuse(response, 403, 'foreign', `only pages of this server may speak to the ${peer}`);
      return;
    }
    forward(peer, socketPath, message, response);
  };
}

// What concerns one connection only, and what says which page asks: neither is anybody's business there.
const KEPT_BACK = /^(connection|keep-alive|te|trailer|upgrade|proxy-.*|host|origin|referer|cookie|sec-.*)$/;

function forward(peer: Peer, socketPath: string, message: IncomingMessage, response: ServerResponse): void {
  const headers = Object.fromEntries(Object.entries(message.headers).filter(([name]) => !KEPT_BACK.test(name)));
  const path = message.url!.slice(`/${peer}`.length);
  let onward: ClientRequest;
  try {
    onward = request({ socketPath, method: message.method, path, headers: { ...headers, host: 'docker' } });
  } catch (error) {
    refuse(response, 400, 'malformed', (error as Error).message);
    return;
  }
  // A page that goes away ends its follow of a log, a pull or a wait.
  response.on('close', () => onward.destroy());
  onward.on('response', (answer) => {
    const { connection: _connection, 'keep-alive': _keepAlive, ...kept } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, { ...kept, [MARK]: peer });
    // The head must not wait for the first event of a stream.
    response.flushHeaders();
    answer.on('error', () => response.destroy());
    answer.pipe(response);
  });
  onward.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else refuse(response, 502, 'unreachable', error.message);
  });
  message.pipe(onward);
}

/** Whether a page of this server asks: by a name of the loopback address, and from no other origin. */
export function own(message: Pick<IncomingMessage, 'headers'>): boolean {
  const { host = '', origin, 'sec-fetch-site': site } = message.headers;
  if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  // Plain GETs of another site's page carry no origin, but this.
  return site === undefined || site === 'same-origin' || site === 'none';
}

function refuse(response: ServerResponse, status: number, mark: string, words: string): void {
  response.writeHead(status, { 'content-type': 'application/json', [MARK]: mark });
  response.end(JSON.stringify({ message: words }));
}

function pathOf(message: IncomingMessage): string {
  return (message.url ?? '').split('?', 1)[0]!;
}
