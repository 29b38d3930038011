/**
 * `BERTH_ENGINE=/path/to/engine.sock npm run dev`: pages in a browser over a real engine. Below `/engine/` requests go to the socket as they
 * are; a WebSocket at `/engine-upgrade` becomes a connection that the engine hands over, or an answer without end (`hijack.ts`). Without
 * the variable this does nothing.
 *
 * Whoever speaks to an engine's socket may do anything to its machine, so only pages that this very server gave out are let through: not
 * another site's that a browser has open, nor a name that was made to point here (DNS rebinding). Other users of the same computer can
 * reach the port: it is a tool for development, and bound to the loopback address alone.
 */
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Connect, Plugin } from 'vite';
import { WebSocketServer } from 'ws';
import { hijack } from './hijack';

export const PREFIX = '/engine/';
export const UPGRADE = '/engine-upgrade';
/** On every answer of the bridge: `engine` if the engine gave it, `unreachable`, `foreign` or `malformed` if the bridge did. */
export const MARK = 'x-berth-bridge';

export function bridge(socketPath: string | undefined = process.env.BERTH_ENGINE): Plugin {
  const serve = (server: { middlewares: Connect.Server; httpServer: unknown }, hmr: boolean) => {
    if (!socketPath) return;
    const http = server.httpServer as Server | null;
    // Before all others, so that no answer goes without.
    http?.prependListener('request', (_: IncomingMessage, response: ServerResponse) => unframed(response));
    server.middlewares.use(proxy(socketPath));
    const sockets = new WebSocketServer({ noServer: true });
    http?.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (hmr && VITES.test(message.headers['sec-websocket-protocol'] ?? '')) return;
      // Node has taken its own listener off; an error that nobody listens for would end the server.
      socket.on('error', () => socket.destroy());
      if (pathOf(message) !== UPGRADE) {
        socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
        return;
      }
      // A browser always names the origin of a page that opens a WebSocket, and nothing else keeps other sites' pages out.
      if (message.headers.origin === undefined || !own(message)) {
        socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n');
        return;
      }
      sockets.handleUpgrade(message, socket, head, (client) => hijack(client, socketPath));
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

/** Requests below `/engine/` to the engine; others pass by. */
export function proxy(socketPath: string): Connect.NextHandleFunction {
  return (message, response, next) => {
    if (!pathOf(message).startsWith(PREFIX)) {
      next();
      return;
    }
    if (!own(message)) {
      refuse(response, 403, 'foreign', 'only pages of this server may speak to the engine');
      return;
    }
    forward(socketPath, message, response);
  };
}

// What concerns one connection only, and what says which page asks: neither is the engine's business.
const KEPT_BACK = /^(connection|keep-alive|te|trailer|upgrade|proxy-.*|host|origin|referer|cookie|sec-.*)$/;

function forward(socketPath: string, message: IncomingMessage, response: ServerResponse): void {
  const headers = Object.fromEntries(Object.entries(message.headers).filter(([name]) => !KEPT_BACK.test(name)));
  const path = message.url!.slice(PREFIX.length - 1);
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
    response.writeHead(answer.statusCode ?? 502, { ...kept, [MARK]: 'engine' });
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
