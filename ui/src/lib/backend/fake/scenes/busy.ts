/** A computer at work: three Compose projects and some containers by themselves, in all the states that there are. */
import { pause } from '../containers/lifecycle';
import type { World } from '../world';
import { DAY, HOUR, MINUTE, judged, over, projectNetwork, projectVolume, run, service, talked } from './build';
import { builds } from './builds';
import { have, recipe } from './catalogue';
import * as voices from './voices';

const MB = 1_000_000;
const SECOND = 1_000_000_000;

export function busy(world: World): void {
  shop(world);
  monitoring(world);
  blog(world);
  alone(world);
  builds(world);
  for (const name of ['busybox:latest', 'alpine:3.22', 'hello-world:latest', 'rabbitmq:3-management'])
    have(world, name);
  // An image that a newer one took the name of.
  const old = { ...have(world, 'shop/web:dev') };
  const steps = old.steps.map((step, index) =>
    index < old.steps.length - 2 || !step.layer
      ? step
      : { ...step, layer: { ...step.layer, diffId: world.random.digest(), blob: world.random.digest() } },
  );
  world.images.add({
    ...old,
    id: world.random.digest(),
    manifest: world.random.digest(),
    created: (old.created ?? 0) - 3 * DAY,
    steps,
    programs: recipe('shop/web:dev').programs ?? {},
  });
  world.past(40 * DAY, () => {
    world.volumes.create({ name: 'old-experiments' }).more = 734 * MB;
    world.volumes.create({}).more = 12 * MB;
    world.networks.create({ Name: 'playground', Internal: true, Labels: { purpose: 'tests' } });
  });
}

function shop(world: World): void {
  projectNetwork(world, 'shop', 3 * DAY);
  projectNetwork(world, 'shop', 3 * DAY, 'backend');
  projectVolume(world, 'shop', 'db-data', 9 * DAY, 412 * MB);
  projectVolume(world, 'shop', 'cache', 9 * DAY, 3 * MB);
  const project = (name: string, wish: Parameters<typeof service>[3]) =>
    service(world, 'shop', name, { restart: 'unless-stopped', ...wish });
  const db = project('db', {
    image: 'postgres:16',
    ago: 26 * HOUR,
    networks: ['shop_backend'],
    env: ['POSTGRES_USER=shop', 'POSTGRES_PASSWORD=not-a-secret', 'POSTGRES_DB=shop'],
    volumes: ['shop_db-data:/var/lib/postgresql/data'],
    healthcheck: { Test: ['CMD-SHELL', 'pg_isready -U shop'], Interval: 10 * SECOND, Timeout: 5 * SECOND, Retries: 5 },
    memory: 1024 ** 3,
  });
  judged(world, db, 'healthy', '/var/run/postgresql:5432 - accepting connections\n');
  talked(world, db, voices.postgres, 240);
  const cache = project('cache', {
    image: 'redis:7',
    ago: 26 * HOUR,
    networks: ['shop_backend'],
    volumes: ['shop_cache:/data'],
  });
  talked(world, cache, voices.redis, 120);
  const web = project('web', {
    image: 'shop/web:dev',
    ago: 2 * HOUR,
    networks: ['shop_default', 'shop_backend'],
    env: ['DATABASE_URL=postgres://shop:not-a-secret@db:5432/shop', 'REDIS_URL=redis://cache:6379'],
    ports: { '3000/tcp': '3000' },
    healthcheck: { Test: ['CMD', 'wget', '-qO-', 'http://localhost:3000/healthz'], Interval: 15 * SECOND, Retries: 3 },
  });
  judged(world, web, 'healthy', 'ok\n');
  talked(world, web, voices.api, 2000);
  const proxy = project('proxy', {
    image: 'nginx:1.27',
    ago: 2 * HOUR,
    ports: { '80/tcp': '8080', '443/tcp': '8443' },
  });
  talked(world, proxy, voices.nginx, 3000);
  const worker = project('worker', {
    image: 'shop/worker:dev',
    ago: 2 * HOUR,
    networks: ['shop_backend'],
    env: ['QUEUE=default'],
  });
  talked(world, worker, voices.worker, 800);
  // It is asked whether it works, and does not answer in time.
  const search = project('search', {
    image: 'shop/web:dev',
    ago: 50 * MINUTE,
    networks: ['shop_backend'],
    command: ['node', 'dist/search.js'],
    healthcheck: {
      Test: ['CMD-SHELL', 'curl -f http://localhost:3000/healthz || exit 1'],
      Interval: 10 * SECOND,
      Timeout: 3 * SECOND,
      Retries: 3,
    },
  });
  judged(
    world,
    search,
    'unhealthy',
    "curl: (7) Failed to connect to localhost port 3000 after 0 ms: Couldn't connect to server\n",
  );
  talked(world, search, voices.api, 90);
  // It did its work and failed in it.
  const migrate = project('migrate', {
    image: 'shop/web:dev',
    ago: 2 * HOUR,
    networks: ['shop_backend'],
    command: ['node', 'dist/migrate.js'],
    restart: 'no',
  });
  over(world, migrate, 1, 2 * HOUR - 4000);
  migrate.log.messages = [];
  const say = (text: string, stream: 'stdout' | 'stderr' = 'stdout') =>
    migrate.log.add({ time: migrate.exit.finished!, stream, bytes: new TextEncoder().encode(`${text}\n`) });
  say('migrating from 41 to 43');
  say('42_add_discounts.sql ok');
  say('43_split_address.sql failed: column "street" of relation "customers" already exists', 'stderr');
}

function monitoring(world: World): void {
  projectNetwork(world, 'monitoring', 12 * DAY);
  projectVolume(world, 'monitoring', 'prometheus', 30 * DAY, 1830 * MB);
  projectVolume(world, 'monitoring', 'grafana', 30 * DAY, 46 * MB);
  const prometheus = service(world, 'monitoring', 'prometheus', {
    image: 'prom/prometheus:v2.54.1',
    ago: 12 * DAY,
    ports: { '9090/tcp': '9090' },
    volumes: ['monitoring_prometheus:/prometheus'],
  });
  talked(world, prometheus, voices.prometheus, 160);
  const grafana = service(world, 'monitoring', 'grafana', {
    image: 'grafana/grafana:11.2.0',
    ago: 12 * DAY,
    ports: { '3000/tcp': '3001' },
    volumes: ['monitoring_grafana:/var/lib/grafana'],
  });
  talked(world, grafana, voices.grafana, 300);
  pause(grafana);
  // It ends as soon as it begins, and is begun again each time.
  const exporter = service(world, 'monitoring', 'exporter', {
    image: 'busybox:latest',
    ago: 3 * HOUR,
    command: ['sh', '-c', 'echo "config: no such file /etc/exporter.yml"; exit 3'],
    restart: 'always',
  });
  exporter.delay = 16_000;
  world.past(4000, () => exporter.process?.exit(3));
}

function blog(world: World): void {
  projectNetwork(world, 'blog', 60 * DAY);
  projectVolume(world, 'blog', 'content', 60 * DAY, 88 * MB);
  for (const [name, image] of [
    ['web', 'nginx:1.27'],
    ['db', 'postgres:16'],
  ] as const) {
    const volumes = name === 'web' ? ['blog_content:/usr/share/nginx/html:ro'] : [];
    const container = service(world, 'blog', name, {
      image,
      ago: 60 * DAY,
      volumes,
      ports: name === 'web' ? { '80/tcp': '8088' } : {},
    });
    talked(world, container, name === 'web' ? voices.nginx : voices.postgres, 60);
    over(world, container, 0, 5 * DAY);
  }
}

function alone(world: World): void {
  const shell = run(world, {
    name: 'sandbox',
    image: 'alpine:3.22',
    ago: 20 * MINUTE,
    command: ['/bin/sh'],
    tty: true,
    labels: { owner: 'ada' },
  });
  shell.files.write('/root/notes.md', '# Notes\n\n- try the new image\n', { time: world.clock.now() - 5 * MINUTE });
  run(world, {
    name: 'next-release',
    image: 'nginx:1.27',
    ago: 3 * MINUTE,
    state: 'created',
    ports: { '80/tcp': '8081' },
  });
}
