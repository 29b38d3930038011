/** Builds as they end, one that runs, and what builds keep. */
import type { ScriptedStep } from '../builds/script';
import type { World } from '../world';
import { DAY, HOUR, MINUTE } from './build';

const MODULES = 240;

/** What every build begins with. */
function opening(context: string): ScriptedStep[] {
  return [
    {
      name: '[internal] load build definition from Dockerfile',
      from: 0,
      takes: 62,
      output: [[12, 'transferring dockerfile: 812B done']],
    },
    { name: '[internal] load metadata for docker.io/library/node:22-alpine', from: 70, takes: 830 },
    {
      name: '[internal] load .dockerignore',
      from: 905,
      takes: 18,
      output: [[6, 'transferring context: 74B done']],
    },
    {
      name: '[internal] load build context',
      from: 930,
      takes: 410,
      output: [[380, `transferring context: ${context} done`]],
    },
  ];
}

export function builds(world: World): void {
  const now = world.clock.now();
  world.builds.all = [
    { id: 'npm-7c21f0', kind: 'exec.cachemount', size: 412_000_000, used: now - 2 * HOUR, inUse: true },
    { id: 'cargo-registry', kind: 'exec.cachemount', size: 286_000_000, used: now - 26 * HOUR },
    { id: 'context-4f1c0d', kind: 'source.local', size: 18_400_000, used: now - 2 * HOUR },
    { id: 'context-a90b12', kind: 'source.local', size: 2_310_000, used: now - 50 * HOUR },
  ];
  site(world);
  calledOff(world);
  failed(world);
  worker(world);
  web(world);
  running(world);
}

/** It goes on for minutes: two stages at once, one of which is done soon. */
function running({ history }: World): void {
  const compiled = Array.from({ length: MODULES }, (_, at): [number, string] => [
    600 + at * 900,
    `\x1b[32m✓\x1b[0m compiled module ${at + 1} of ${MODULES}`,
  ]);
  history.add({
    name: 'shop',
    ago: 34_000,
    context: '/home/ada/shop',
    tags: ['shop/web:dev', 'shop/web:next'],
    steps: [
      ...opening('3.41MB'),
      { name: '[build 1/6] FROM docker.io/library/node:22-alpine', from: 930, takes: 12, cached: true },
      { name: '[build 2/6] WORKDIR /app', from: 1340, takes: 10, cached: true },
      { name: '[build 3/6] COPY package.json package-lock.json ./', from: 1352, takes: 95 },
      {
        name: '[build 4/6] RUN --mount=type=cache,target=/root/.npm npm ci',
        from: 1460,
        takes: 16_300,
        output: [
          [14_100, ''],
          [14_110, 'added 412 packages, and audited 413 packages in 14s'],
          [15_900, 'found \x1b[32m\x1b[1m0\x1b[0m vulnerabilities'],
        ],
      },
      { name: '[build 5/6] COPY . .', from: 17_800, takes: 340 },
      {
        name: '[build 6/6] RUN npm run build',
        from: 18_200,
        takes: 600 + MODULES * 900,
        output: [[300, '> shop-web@4.2.0 build'], [310, '> vite build'], ...compiled],
      },
      {
        name: '[checks 1/1] RUN npm run lint',
        from: 18_220,
        takes: 19_000,
        output: [
          [280, '> shop-web@4.2.0 lint'],
          [18_400, '214 files, no problems'],
        ],
      },
      { name: '[final 2/3] COPY --from=build /app/dist ./dist', from: 18_900 + MODULES * 900, takes: 260 },
      { name: 'exporting to image', from: 19_200 + MODULES * 900, takes: 900 },
    ],
  });
}

function web({ history }: World): void {
  history.add({
    name: 'shop',
    ago: 2 * HOUR + 2 * MINUTE,
    context: '/home/ada/shop',
    tags: ['shop/web:dev'],
    warnings: 1,
    steps: [
      ...opening('3.40MB'),
      { name: '[build 1/6] FROM docker.io/library/node:22-alpine', from: 930, takes: 12, cached: true },
      { name: '[build 2/6] WORKDIR /app', from: 1345, takes: 10, cached: true },
      { name: '[build 3/6] COPY package.json package-lock.json ./', from: 1356, takes: 10, cached: true },
      {
        name: '[build 4/6] RUN --mount=type=cache,target=/root/.npm npm ci',
        from: 1368,
        takes: 10,
        cached: true,
      },
      { name: '[build 5/6] COPY . .', from: 1380, takes: 420 },
      {
        name: '[build 6/6] RUN npm run build',
        from: 1810,
        takes: 31_700,
        output: [
          [300, '> shop-web@4.2.0 build'],
          [310, '> vite build'],
          [1200, '\x1b[36mvite v7.1.4 \x1b[32mbuilding for production...\x1b[39m'],
          [30_900, '\x1b[32m✓\x1b[39m 1204 modules transformed.'],
          [31_500, '\x1b[33m(!) Some chunks are larger than 500 kB after minification.\x1b[39m'],
          [31_600, '\x1b[32m✓ built in 30.4s\x1b[39m'],
        ],
      },
      {
        name: '[checks 1/1] RUN npm run lint',
        from: 1815,
        takes: 18_600,
        output: [[18_200, '214 files, no problems']],
      },
      { name: '[final 2/3] COPY --from=build /app/dist ./dist', from: 33_560, takes: 240 },
      {
        name: '[final 3/3] RUN npm prune --omit=dev',
        from: 33_820,
        takes: 2900,
        output: [[2600, 'removed 318 packages']],
      },
      {
        name: 'exporting to image',
        from: 36_740,
        takes: 1130,
        output: [[1100, 'naming to docker.io/shop/web:dev done']],
      },
    ],
  });
}

function worker({ history }: World): void {
  history.add({
    name: 'worker/Dockerfile.slim',
    ago: 3 * HOUR,
    dockerfile: 'Dockerfile.slim',
    context: 'https://git.example.org/shop/worker.git#main',
    target: 'runtime',
    tags: ['shop/worker:dev', 'registry.example.org:5000/shop/worker:2026-01-15'],
    steps: [
      { name: '[internal] load git source https://git.example.org/shop/worker.git#main', from: 0, takes: 2400 },
      { name: '[runtime 1/4] FROM docker.io/library/python:3.12-slim', from: 2450, takes: 9800 },
      { name: '[runtime 2/4] COPY requirements.txt .', from: 12_300, takes: 60 },
      {
        name: '[runtime 3/4] RUN pip install -r requirements.txt',
        from: 12_400,
        takes: 61_000,
        output: [
          [1800, 'Collecting celery==5.5.3 (from -r requirements.txt (line 1))'],
          [60_500, 'Successfully installed celery-5.5.3 kombu-5.5.4 redis-6.4.0'],
        ],
      },
      { name: '[runtime 4/4] COPY worker ./worker', from: 73_500, takes: 90 },
      { name: 'exporting to image', from: 73_620, takes: 2200 },
    ],
  });
}

function failed({ history }: World): void {
  const tests = [
    '\x1b[1m RUN \x1b[0m v4.1.12 /app',
    ' \x1b[32m✓\x1b[39m src/cart.test.ts \x1b[2m(18 tests)\x1b[22m 41ms',
    ' \x1b[31m❯\x1b[39m src/address.test.ts \x1b[2m(7 tests | \x1b[22m\x1b[31m1 failed\x1b[39m\x1b[2m)\x1b[22m 63ms',
    '\x1b[31m   × splits a street from its number\x1b[39m',
    '\x1b[31m     → expected "12a" to be "12 a"\x1b[39m',
    '',
    'Test Files  \x1b[31m1 failed\x1b[39m | \x1b[32m1 passed\x1b[39m (2)',
  ];
  history.add({
    name: 'shop',
    ago: 5 * HOUR,
    context: '/home/ada/shop',
    target: 'test',
    tags: ['shop/web:test'],
    steps: [
      ...opening('3.39MB'),
      { name: '[test 1/5] FROM docker.io/library/node:22-alpine', from: 930, takes: 12, cached: true },
      { name: '[test 2/5] COPY package.json package-lock.json ./', from: 1345, takes: 10, cached: true },
      { name: '[test 3/5] RUN npm ci', from: 1357, takes: 10, cached: true },
      { name: '[test 4/5] COPY . .', from: 1370, takes: 390 },
      {
        name: '[test 5/5] RUN npm test',
        from: 1770,
        takes: 6200,
        output: tests.map((line, at): [number, string] => [900 + at * 700, line]),
        error: 'process "/bin/sh -c npm test" did not complete successfully: exit code: 1',
      },
    ],
  });
}

function calledOff({ history }: World): void {
  history.add({
    name: 'tools',
    ago: 3 * DAY,
    context: '/home/ada/tools',
    platform: 'linux/arm64',
    tags: ['ada/tools:latest'],
    calledOff: 96_000,
    steps: [
      ...opening('41.2kB'),
      { name: '[1/4] FROM docker.io/library/rust:1.92', from: 930, takes: 38_000 },
      { name: '[2/4] WORKDIR /src', from: 38_960, takes: 120 },
      { name: '[3/4] COPY . .', from: 39_100, takes: 150 },
      {
        name: '[4/4] RUN cargo build --release',
        from: 39_300,
        takes: 400_000,
        output: [
          [900, '\x1b[1m\x1b[32m    Updating\x1b[0m crates.io index'],
          [8000, '\x1b[1m\x1b[32m   Compiling\x1b[0m serde v1.0.228'],
          [51_000, '\x1b[1m\x1b[32m   Compiling\x1b[0m tokio v1.49.0'],
        ],
      },
      { name: 'exporting to image', from: 440_000, takes: 2000 },
    ],
  });
}

/** All of it was there already; its image was removed since. */
function site({ history }: World): void {
  history.add({
    name: 'site',
    ago: 5 * DAY,
    context: '/home/ada/blog/site',
    tags: ['blog/site:draft'],
    steps: [
      ...opening('112kB'),
      { name: '[1/2] FROM docker.io/library/nginx:1.27', from: 930, takes: 12, cached: true },
      { name: '[2/2] COPY public /usr/share/nginx/html', from: 1345, takes: 10, cached: true },
      { name: 'exporting to image', from: 1360, takes: 140 },
    ],
  });
}
