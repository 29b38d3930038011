/** The images of the scenes: what they hold, what they are made of, what their programs do. */
import type { ImageConfig } from '$lib/api/generated';
import { type Folder, Tree } from '../files/tree';
import { type Image, type Layer, NO_CONFIG } from '../images/images';
import { Reference } from '../images/reference';
import type { Behaviour } from '../process/behaviour';
import type { Process } from '../process/process';
import { service } from '../process/service';
import type { World } from '../world';
import * as voices from './voices';

const MB = 1_000_000;
const DAY = 86_400_000;

interface Recipe {
  name: string;
  base?: 'debian' | 'alpine' | 'none';
  /** Steps above the base: what they said, and the bytes of their files. */
  steps: [string, number][];
  config?: Partial<ImageConfig>;
  programs?: Record<string, Behaviour>;
  files?: Record<string, string>;
  /** Days ago. */
  age: number;
  author?: string;
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const BASES: Record<'debian' | 'alpine', [string, number]> = {
  debian: ["# debian.sh --arch 'amd64' out/ 'bookworm' '@1757289600'", 74.8 * MB],
  alpine: ['ADD alpine-minirootfs-3.22.1-x86_64.tar.gz / # buildkit', 8.3 * MB],
};

function server(
  voice: Parameters<typeof service>[0],
  load: Behaviour['load'],
  ...names: string[]
): Record<string, Behaviour> {
  return Object.fromEntries(names.map((name) => [name, { program: service(voice), load }]));
}

export const RECIPES: Recipe[] = [
  {
    name: 'nginx:1.27',
    base: 'debian',
    steps: [
      [
        'RUN /bin/sh -c set -x && groupadd --system --gid 101 nginx && apt-get install -y nginx=1.27.5 # buildkit',
        117.4 * MB,
      ],
      ['COPY docker-entrypoint.sh / # buildkit', 1620],
      ['COPY 30-tune-worker-processes.sh /docker-entrypoint.d # buildkit', 4620],
      ['EXPOSE map[80/tcp:{}]', 0],
      ['STOPSIGNAL SIGQUIT', 0],
      ['CMD ["nginx" "-g" "daemon off;"]', 0],
    ],
    config: {
      Env: [PATH, 'NGINX_VERSION=1.27.5', 'NJS_VERSION=0.8.10'],
      Entrypoint: ['/docker-entrypoint.sh'],
      Cmd: ['nginx', '-g', 'daemon off;'],
      ExposedPorts: { '80/tcp': {} },
      StopSignal: 'SIGQUIT',
      Labels: { maintainer: 'NGINX Docker Maintainers <docker-maint@nginx.com>' },
    },
    programs: server(
      voices.nginx,
      { cpu: [0.004, 0.003], memory: [14e6, 2e6], network: [9000, 64_000], disk: [0, 400], processes: 5 },
      'docker-entrypoint.sh',
      'nginx',
    ),
    files: {
      '/docker-entrypoint.sh': '#!/bin/sh\nexec "$@"\n',
      '/etc/nginx/nginx.conf':
        'user  nginx;\nworker_processes  auto;\n\nevents {\n    worker_connections  1024;\n}\n\nhttp {\n    include       /etc/nginx/mime.types;\n    sendfile      on;\n    include /etc/nginx/conf.d/*.conf;\n}\n',
      '/etc/nginx/conf.d/default.conf':
        'server {\n    listen       80;\n    server_name  localhost;\n    location / {\n        root   /usr/share/nginx/html;\n    }\n}\n',
      '/usr/share/nginx/html/index.html':
        '<!DOCTYPE html>\n<html>\n<head><title>Welcome to nginx!</title></head>\n<body><h1>Welcome to nginx!</h1></body>\n</html>\n',
      '/usr/share/nginx/html/50x.html': '<!DOCTYPE html>\n<html><body><h1>An error occurred.</h1></body></html>\n',
    },
    age: 21,
  },
  {
    name: 'postgres:16',
    base: 'debian',
    steps: [
      ['RUN /bin/sh -c set -eux; groupadd -r postgres --gid=999; # buildkit', 4.1 * MB],
      ['RUN /bin/sh -c set -ex; apt-get install -y postgresql-16=16.4-1.pgdg120+1 # buildkit', 263 * MB],
      ['VOLUME [/var/lib/postgresql/data]', 0],
      ['COPY docker-entrypoint.sh docker-ensure-initdb.sh /usr/local/bin/ # buildkit', 15_200],
      ['CMD ["postgres"]', 0],
    ],
    config: {
      Env: [`${PATH}:/usr/lib/postgresql/16/bin`, 'PG_MAJOR=16', 'PGDATA=/var/lib/postgresql/data'],
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['postgres'],
      ExposedPorts: { '5432/tcp': {} },
      Volumes: { '/var/lib/postgresql/data': {} },
      StopSignal: 'SIGINT',
    },
    programs: server(
      voices.postgres,
      { cpu: [0.02, 0.015], memory: [96e6, 12e6], network: [22_000, 41_000], disk: [12_000, 88_000], processes: 9 },
      'docker-entrypoint.sh',
      'postgres',
    ),
    files: {
      '/var/lib/postgresql/data/PG_VERSION': '16\n',
      '/var/lib/postgresql/data/postgresql.conf':
        "listen_addresses = '*'\nmax_connections = 100\nshared_buffers = 128MB\n",
    },
    age: 34,
  },
  {
    name: 'redis:7',
    base: 'alpine',
    steps: [
      ['RUN /bin/sh -c apk add --no-cache su-exec tzdata # buildkit', 1.2 * MB],
      ['RUN /bin/sh -c set -eux; make -C /usr/src/redis -j "$(nproc)" install # buildkit', 31.5 * MB],
      ['VOLUME [/data]', 0],
      ['CMD ["redis-server"]', 0],
    ],
    config: {
      Env: [PATH, 'REDIS_VERSION=7.4.5'],
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['redis-server'],
      ExposedPorts: { '6379/tcp': {} },
      Volumes: { '/data': {} },
      WorkingDir: '/data',
    },
    programs: server(
      voices.redis,
      { cpu: [0.006, 0.003], memory: [11e6, 1e6], network: [6000, 5000], disk: [0, 900], processes: 5 },
      'docker-entrypoint.sh',
      'redis-server',
    ),
    files: { '/data/dump.rdb': 'REDIS0011\n' },
    age: 40,
  },
  {
    name: 'shop/web:dev',
    base: 'alpine',
    steps: [
      ['RUN /bin/sh -c addgroup -g 1000 node && apk add --no-cache nodejs # buildkit', 152 * MB],
      ['COPY package.json package-lock.json ./ # buildkit', 412_000],
      ['RUN /bin/sh -c npm ci --omit=dev # buildkit', 88 * MB],
      ['COPY dist ./dist # buildkit', 3.4 * MB],
      ['CMD ["node" "dist/server.js"]', 0],
    ],
    config: {
      Env: [PATH, 'NODE_VERSION=22.18.0', 'NODE_ENV=production'],
      Cmd: ['node', 'dist/server.js'],
      ExposedPorts: { '3000/tcp': {} },
      WorkingDir: '/app',
      User: 'node',
      Labels: {
        'org.opencontainers.image.source': 'https://git.example.com/shop/web',
        'org.opencontainers.image.revision': '4f1c0de',
      },
    },
    programs: server(
      voices.api,
      { cpu: [0.06, 0.05], memory: [148e6, 30e6], network: [48_000, 96_000], disk: [0, 600], processes: 11 },
      'node',
    ),
    files: {
      '/app/package.json': '{\n  "name": "shop-web",\n  "version": "3.2.0"\n}\n',
      '/app/dist/server.js': "import { createServer } from 'node:http';\n",
    },
    age: 2,
  },
  {
    name: 'shop/worker:dev',
    base: 'debian',
    steps: [
      ['RUN /bin/sh -c apt-get install -y python3.12 # buildkit', 41 * MB],
      ['COPY requirements.txt . # buildkit', 800],
      ['RUN /bin/sh -c pip install -r requirements.txt # buildkit', 63 * MB],
      ['COPY worker ./worker # buildkit', 220_000],
      ['CMD ["python" "-m" "worker"]', 0],
    ],
    config: { Env: [PATH, 'PYTHONUNBUFFERED=1'], Cmd: ['python', '-m', 'worker'], WorkingDir: '/srv' },
    programs: server(
      voices.worker,
      { cpu: [0.11, 0.1], memory: [82e6, 20e6], network: [3000, 2500], disk: [0, 100], processes: 3 },
      'python',
    ),
    age: 2,
  },
  {
    name: 'grafana/grafana:11.2.0',
    base: 'alpine',
    steps: [
      ['RUN /bin/sh -c apk add --no-cache ca-certificates bash # buildkit', 6.1 * MB],
      ['COPY /usr/share/grafana /usr/share/grafana # buildkit', 431 * MB],
      ['ENTRYPOINT ["/run.sh"]', 0],
    ],
    config: {
      Env: [PATH, 'GF_PATHS_DATA=/var/lib/grafana'],
      Entrypoint: ['/run.sh'],
      ExposedPorts: { '3000/tcp': {} },
      WorkingDir: '/usr/share/grafana',
      User: '472',
    },
    programs: server(
      voices.grafana,
      { cpu: [0.015, 0.01], memory: [121e6, 9e6], network: [2000, 8000], disk: [0, 300], processes: 14 },
      'run.sh',
    ),
    files: { '/run.sh': '#!/bin/bash -e\n' },
    age: 60,
  },
  {
    name: 'prom/prometheus:v2.54.1',
    base: 'none',
    steps: [
      ['COPY /bin/prometheus /bin/prometheus # buildkit', 132 * MB],
      ['COPY /bin/promtool /bin/promtool # buildkit', 124 * MB],
      ['VOLUME [/prometheus]', 0],
    ],
    config: {
      Env: [PATH],
      Entrypoint: ['/bin/prometheus'],
      Cmd: ['--config.file=/etc/prometheus/prometheus.yml'],
      ExposedPorts: { '9090/tcp': {} },
      Volumes: { '/prometheus': {} },
      User: 'nobody',
    },
    programs: server(
      voices.prometheus,
      { cpu: [0.03, 0.02], memory: [212e6, 25e6], network: [31_000, 2000], disk: [100, 21_000], processes: 10 },
      'prometheus',
    ),
    files: { '/bin/prometheus': '\x7fELF', '/etc/prometheus/prometheus.yml': 'global:\n  scrape_interval: 15s\n' },
    age: 75,
  },
  {
    name: 'rabbitmq:3-management',
    base: 'debian',
    steps: [
      ['RUN /bin/sh -c set -eux; apt-get install -y erlang # buildkit', 92 * MB],
      ['COPY /opt/rabbitmq /opt/rabbitmq # buildkit', 61 * MB],
      ['CMD ["rabbitmq-server"]', 0],
    ],
    config: {
      Env: [PATH, 'RABBITMQ_VERSION=3.13.7'],
      Entrypoint: ['docker-entrypoint.sh'],
      Cmd: ['rabbitmq-server'],
      ExposedPorts: { '5672/tcp': {}, '15672/tcp': {} },
      Volumes: { '/var/lib/rabbitmq': {} },
    },
    programs: server(
      voices.rabbit,
      { cpu: [0.02, 0.01], memory: [142e6, 10e6], network: [900, 1200], disk: [0, 2000], processes: 40 },
      'docker-entrypoint.sh',
      'rabbitmq-server',
    ),
    age: 90,
  },
  {
    name: 'busybox:latest',
    base: 'none',
    steps: [['BusyBox 1.37.0 (glibc), Debian 13', 4.4 * MB]],
    config: { Env: [PATH], Cmd: ['sh'] },
    age: 300,
  },
  {
    name: 'alpine:3.22',
    base: 'alpine',
    steps: [['CMD ["/bin/sh"]', 0]],
    config: { Env: [PATH], Cmd: ['/bin/sh'] },
    age: 55,
  },
  {
    name: 'hello-world:latest',
    base: 'none',
    steps: [
      ['COPY hello / # buildkit', 10_072],
      ['CMD ["/hello"]', 0],
    ],
    config: { Env: [PATH], Cmd: ['/hello'] },
    programs: { hello: { program: (process) => void greet(process) } },
    files: { '/hello': '\x7fELF' },
    age: 400,
  },
];

/** What hello-world does; it ends after its start has been told, as a program does. */
async function greet(process: Process): Promise<void> {
  await Promise.resolve();
  process.out('\nHello from Berth!\n\nIf you can read this, your machine works.\n\n');
  process.exit(0);
}

/** What is in every image that has a system in it. */
function system(base: Recipe['base']): Folder {
  const tree = new Tree();
  const time = Date.UTC(2025, 8, 8);
  for (const path of [
    '/bin',
    '/dev',
    '/etc',
    '/home',
    '/proc',
    '/root',
    '/sys',
    '/tmp',
    '/usr/bin',
    '/usr/local/bin',
    '/usr/share',
    '/var/lib',
    '/var/log',
  ])
    tree.makeFolder(path, { time });
  tree.folder('/tmp').mode = 0o777;
  const name = { debian: 'Debian GNU/Linux 12 (bookworm)', alpine: 'Alpine Linux v3.22', none: 'Linux' }[
    base ?? 'none'
  ];
  tree.write('/etc/os-release', `PRETTY_NAME="${name}"\nID=${base ?? 'linux'}\n`, { time });
  tree.write(
    '/etc/passwd',
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnode:x:1000:1000::/home/node:/bin/sh\n',
    { time },
  );
  tree.write('/etc/hosts', '127.0.0.1\tlocalhost\n', { time });
  tree.write('/etc/resolv.conf', 'nameserver 127.0.0.11\n', { time });
  for (const tool of ['sh', 'ls', 'cat', 'echo', 'sleep', 'env', 'ps'])
    tree.write(`/bin/${tool}`, '\x7fELF', { mode: 0o755, time });
  return tree.root;
}

/** The image of a recipe. The same recipe always makes the same image in one world: its layers are shared, too. */
export function bake(world: World, recipe: Recipe): Image {
  const now = world.clock.now();
  const created = now - recipe.age * DAY;
  const tree = new Tree(system(recipe.base));
  for (const [path, content] of Object.entries(recipe.files ?? {})) {
    tree.makeFolder(path.split('/').slice(0, -1).join('/'), { time: created });
    tree.write(path, content, { time: created, mode: /\.sh$|\/bin\//.test(path) ? 0o755 : 0o644 });
  }
  const under = recipe.base === 'debian' || recipe.base === 'alpine' ? [BASES[recipe.base]] : [];
  const steps = [...under, ...recipe.steps].map(([createdBy, size], index) => ({
    created: created - (recipe.steps.length - index) * 1000,
    createdBy,
    comment: createdBy.startsWith('#') ? 'debuerreotype 0.16' : 'buildkit.dockerfile.v0',
    ...(size > 0 ? { layer: layer(createdBy, size) } : {}),
  }));
  return {
    id: digest(`image ${recipe.name}`),
    created,
    author: recipe.author ?? '',
    comment: 'buildkit.dockerfile.v0',
    architecture: 'amd64',
    os: 'linux',
    config: { ...NO_CONFIG, ...recipe.config },
    steps,
    manifest: digest(`manifest ${recipe.name}`),
    files: tree.root,
    programs: recipe.programs ?? {},
  };
}

function layer(text: string, size: number): Layer {
  return {
    diffId: digest(`diff ${text}`),
    blob: digest(`blob ${text}`),
    packed: Math.ceil(size * 0.38),
    size: Math.round(size),
  };
}

/** A digest that follows from a text: not a true hash, but as good to be told apart. */
export function digest(text: string): string {
  let hex = '';
  for (let part = 0; part < 8; part++) {
    let hash = 0x811c9dc5 ^ (part * 0x9e3779b1);
    for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
    hex += (hash >>> 0).toString(16).padStart(8, '0');
  }
  return `sha256:${hex}`;
}

/** Everything of the catalogue, and more, in the registry. */
export function stock(world: World): void {
  for (const recipe of RECIPES) world.registry.publish(recipe.name, () => bake(world, recipe));
  const more = (name: string, of: string) => world.registry.publish(name, () => bake(world, { ...recipe(of), name }));
  more('nginx:latest', 'nginx:1.27');
  more('nginx:alpine', 'nginx:1.27');
  more('redis:latest', 'redis:7');
  more('postgres:latest', 'postgres:16');
  more('alpine:latest', 'alpine:3.22');
  world.registry.denied.add('shop/secret');
  world.registry.index.push(
    { name: 'nginx', description: 'Official build of Nginx.', stars: 20_900, official: true },
    { name: 'nginxinc/nginx-unprivileged', description: 'Unprivileged NGINX Dockerfiles', stars: 210, official: false },
    {
      name: 'nginx/nginx-ingress',
      description: 'NGINX and NGINX Plus Ingress Controllers for Kubernetes',
      stars: 110,
      official: false,
    },
    {
      name: 'redis',
      description: 'Redis is the world’s fastest data platform for caching and vector search.',
      stars: 13_400,
      official: true,
    },
    {
      name: 'postgres',
      description: 'The PostgreSQL object-relational database system provides reliability and data integrity.',
      stars: 14_300,
      official: true,
    },
    {
      name: 'alpine',
      description: 'A minimal Docker image based on Alpine Linux with a complete package index and only 5 MB in size!',
      stars: 11_200,
      official: true,
    },
    { name: 'busybox', description: 'Busybox base image.', stars: 3400, official: true },
    {
      name: 'hello-world',
      description: 'Hello World! (an example of minimal Dockerization)',
      stars: 2500,
      official: true,
    },
    { name: 'grafana/grafana', description: 'The official Grafana docker container', stars: 3600, official: false },
    { name: 'prom/prometheus', description: '', stars: 1900, official: false },
  );
}

export function recipe(name: string): Recipe {
  const found = RECIPES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no image ${name} in the catalogue`);
  return found;
}

/** Has an image of the catalogue here, as if it had been pulled. */
export function have(world: World, name: string): Image {
  const known = world.images.has(name) ? world.images.find(name) : undefined;
  const reference = Reference.parse(name);
  const image = known ?? bake(world, recipe(name));
  // What was made here was never in a registry.
  const digests = name.endsWith(':dev') ? [] : [reference.withDigest(image.manifest)];
  return world.past(recipe(name).age * DAY * 0.5, () => world.images.add(image, reference, ...digests));
}
