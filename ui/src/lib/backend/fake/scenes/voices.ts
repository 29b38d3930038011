/** What the programs of the scenes say, in the manner of the real ones. */
import type { Voice } from '../process/service';

const PATHS = [
  '/',
  '/cart',
  '/api/products?page=2',
  '/api/orders',
  '/assets/app.4f1c.js',
  '/assets/style.css',
  '/login',
  '/healthz',
  '/favicon.ico',
  '/api/search?q=lamp',
];
const AGENTS = [
  'Mozilla/5.0 (X11; Linux x86_64) Firefox/143.0',
  'Mozilla/5.0 (Macintosh) Safari/605.1.15',
  'curl/8.9.1',
  'Go-http-client/1.1',
];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function one<T>(list: readonly T[], chance: () => number): T {
  return list[Math.floor(chance() * list.length)]!;
}

function common(time: number): string {
  const date = new Date(time);
  const two = (number: number) => String(number).padStart(2, '0');
  const clock = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(':');
  return `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${clock} +0000`;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

/** `2026/01/15 12:00:00`, as nginx writes it. */
function slashed(time: number): string {
  return iso(time).slice(0, 19).replaceAll('-', '/').replace('T', ' ');
}

export const nginx: Voice = {
  start: (time) => [
    { text: '/docker-entrypoint.sh: Configuration complete; ready for start up' },
    { stream: 'stderr', text: `${slashed(time)} [notice] 1#1: start worker processes` },
  ],
  line: (_, time, chance) => {
    const status = one([200, 200, 200, 200, 304, 304, 404, 502], chance);
    const address = `172.18.0.${2 + Math.floor(chance() * 30)}`;
    const path = one(PATHS, chance);
    if (status === 502) {
      return {
        stream: 'stderr',
        text: `${slashed(time)} [error] 29#29: *${Math.floor(chance() * 9000)} connect() failed (111: Connection refused) while connecting to upstream, client: ${address}, request: "GET ${path} HTTP/1.1"`,
      };
    }
    const size = Math.floor(chance() * 40_000);
    return {
      text: `${address} - - [${common(time)}] "GET ${path} HTTP/1.1" ${status} ${size} "-" "${one(AGENTS, chance)}"`,
    };
  },
  every: [400, 2500],
  stop: (time) => [{ stream: 'stderr', text: `${slashed(time)} [notice] 1#1: signal 15 (SIGTERM) received, exiting` }],
};

export const postgres: Voice = {
  start: (time) => [
    {
      stream: 'stderr',
      text: `${iso(time)} UTC [1] LOG:  starting PostgreSQL 16.4 (Debian 16.4-1.pgdg120+1) on x86_64-pc-linux-gnu`,
    },
    { stream: 'stderr', text: `${iso(time)} UTC [1] LOG:  listening on IPv4 address "0.0.0.0", port 5432` },
    { stream: 'stderr', text: `${iso(time)} UTC [1] LOG:  database system is ready to accept connections` },
  ],
  line: (turn, time, chance) => ({
    stream: 'stderr',
    text:
      turn % 4 === 3
        ? `${iso(time)} UTC [${60 + (turn % 40)}] ERROR:  duplicate key value violates unique constraint "orders_pkey"`
        : `${iso(time)} UTC [27] LOG:  checkpoint complete: wrote ${Math.floor(chance() * 300)} buffers (0.${Math.floor(chance() * 9)}%)`,
  }),
  every: [8000, 30_000],
  stop: (time) => [{ stream: 'stderr', text: `${iso(time)} UTC [1] LOG:  received smart shutdown request` }],
};

export const redis: Voice = {
  start: () => [
    { text: '1:C * oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo' },
    { text: '1:M * Ready to accept connections tcp' },
  ],
  line: (turn) => ({
    text:
      turn % 2 === 0
        ? '1:M * 100 changes in 300 seconds. Saving...'
        : '1:M * Background saving terminated with success',
  }),
  every: [15_000, 40_000],
  stop: () => [{ text: '1:M # User requested shutdown...' }, { text: '1:M # Redis is now ready to exit, bye bye...' }],
};

/** An application with coloured, structured lines. */
export const api: Voice = {
  start: () => [{ text: '\x1b[32m✓\x1b[0m listening on http://0.0.0.0:3000' }],
  line: (turn, time, chance) => {
    const ms = Math.floor(chance() * 180);
    if (turn % 17 === 16) {
      return {
        stream: 'stderr',
        text: `\x1b[31mERROR\x1b[0m ${iso(time)} payment: provider answered 503, trying again in 2s`,
      };
    }
    if (turn % 7 === 6)
      return { text: `\x1b[33mWARN\x1b[0m  ${iso(time)} slow query: SELECT * FROM products (${ms + 400} ms)` };
    return { text: `\x1b[36mINFO\x1b[0m  ${iso(time)} GET ${one(PATHS, chance)} \x1b[32m200\x1b[0m ${ms} ms` };
  },
  every: [300, 1500],
  stop: () => [{ text: 'shutting down' }],
};

export const worker: Voice = {
  start: () => [{ text: 'worker: connected to redis://cache:6379' }],
  line: (turn, _, chance) => ({
    text: `{"level":"info","job":"mail.send","id":${1000 + turn},"took":${Math.floor(chance() * 900)},"queue":${Math.floor(chance() * 12)}}`,
  }),
  every: [700, 3000],
};

export const prometheus: Voice = {
  start: (time) => [
    {
      stream: 'stderr',
      text: `ts=${iso(time)} caller=main.go:1273 level=info msg="Server is ready to receive web requests."`,
    },
  ],
  line: (turn, time, chance) => ({
    stream: 'stderr',
    text: `ts=${iso(time)} caller=compact.go:576 level=info msg="write block" mint=${turn} duration=${(chance() * 2).toFixed(3)}s`,
  }),
  every: [20_000, 60_000],
};

export const grafana: Voice = {
  line: (_, time, chance) => ({
    text: `logger=context userId=1 t=${iso(time)} level=info msg="Request Completed" method=GET path=/api/live/ws status=${one([200, 101, 404], chance)} duration=${Math.floor(chance() * 40)}ms`,
  }),
  every: [3000, 12_000],
};

export const rabbit: Voice = {
  line: (turn, time) => ({
    text: `${iso(time)} [info] <0.${600 + (turn % 90)}.0> accepting AMQP connection <0.${700 + (turn % 90)}.0> (172.19.0.5:4${1000 + (turn % 900)} -> 172.19.0.3:5672)`,
  }),
  every: [5000, 20_000],
};
