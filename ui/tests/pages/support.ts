import { expect, type Page } from '@playwright/test';

export type Fault = {
  path: RegExp;
  method?: string;
  status?: number | 'unreachable';
  message?: string;
  times?: number;
  /** The connection breaks after so many bytes of the answer. */
  after?: number;
};

/** What the simulated engine offers to tests, in the page's console. */
export type Engine = { fail(fault: Fault): () => void; vanish(name: string): void };
declare const engine: Engine;

export type Theme = 'light' | 'dark';
export type Locale = 'en' | 'zh-CN';
export const THEMES: Theme[] = ['light', 'dark'];
export const LOCALES: Locale[] = ['en', 'zh-CN'];

/** One view, and what of it is there once it has been drawn. */
export type View = {
  name: string;
  /** Its address; `ID of NAME` in it becomes what the engine calls that container, image or network. */
  at: string;
  drawn: string;
};

/** Every view of the pages. Each list of views that is gone through is this one. */
export const VIEWS: View[] = [
  { name: 'containers', at: '#/containers', drawn: '[role=treegrid] [data-at]' },
  {
    name: 'container-logs',
    at: '#/containers/{container}/logs',
    drawn: 'main nav a[aria-current=page][href$="/logs"]',
  },
  {
    name: 'container-terminal',
    at: '#/containers/{container}/terminal',
    drawn: 'main nav a[aria-current=page][href$="/terminal"]',
  },
  {
    name: 'container-stats',
    at: '#/containers/{container}/stats',
    drawn: 'main nav a[aria-current=page][href$="/stats"]',
  },
  {
    name: 'container-files',
    at: '#/containers/{container}/files',
    drawn: 'main nav a[aria-current=page][href$="/files"]',
  },
  {
    name: 'container-details',
    at: '#/containers/{container}/details',
    drawn: 'main nav a[aria-current=page][href$="/details"]',
  },
  {
    name: 'container-inspect',
    at: '#/containers/{container}/inspect',
    drawn: 'main nav a[aria-current=page][href$="/inspect"]',
  },
  { name: 'projects', at: '#/projects', drawn: 'main a[href^="#/projects/"]' },
  { name: 'project', at: '#/projects/{project}', drawn: 'main a.back[href="#/projects"]' },
  { name: 'project-logs', at: '#/projects/{project}/logs', drawn: 'main nav a[aria-current=page][href$="/logs"]' },
  { name: 'project-file', at: '#/projects/{project}/file', drawn: 'main nav a[aria-current=page][href$="/file"]' },
  { name: 'images', at: '#/images', drawn: 'main [data-at] .repository' },
  { name: 'image', at: '#/images/{image}', drawn: 'main a.back[href="#/images"]' },
  { name: 'image-layers', at: '#/images/{image}/layers', drawn: 'main nav a[aria-current=page][href$="/layers"]' },
  { name: 'image-inspect', at: '#/images/{image}/inspect', drawn: 'main nav a[aria-current=page][href$="/inspect"]' },
  { name: 'builds', at: '#/builds', drawn: 'main [data-at] a[href^="#/builds/"]' },
  { name: 'builds-cache', at: '#/builds?show=cache', drawn: 'main [data-at] code' },
  { name: 'build', at: '#/builds/{build}', drawn: 'main ol li .bar' },
  { name: 'build-failed', at: '#/builds/{failed}', drawn: 'main ol li.open [role=log]' },
  { name: 'build-log', at: '#/builds/{build}/log', drawn: 'main [role=log] [data-id]' },
  { name: 'volumes', at: '#/volumes', drawn: 'main [data-at] a[href$="/files"]' },
  { name: 'volume', at: '#/volumes/{volume}', drawn: 'main a.back[href="#/volumes"]' },
  { name: 'volume-files', at: '#/volumes/{volume}/files', drawn: 'main nav a[aria-current=page][href$="/files"]' },
  { name: 'networks', at: '#/networks', drawn: 'main [data-at] a[href^="#/networks/"]' },
  { name: 'networks-map', at: '#/networks?show=map', drawn: 'main [data-hub]' },
  { name: 'network', at: '#/networks/{network}', drawn: 'main a.back[href="#/networks"]' },
  { name: 'machine', at: '#/machine', drawn: 'main [role=meter]' },
  { name: 'machine-logs', at: '#/machine/logs/console', drawn: 'main [role=log] [data-id]' },
  { name: 'machine-logs-daemon', at: '#/machine/logs/daemon', drawn: 'main [role=log] [data-id]' },
  { name: 'machine-all', at: '#/machine/all', drawn: 'main li[aria-label=default]' },
  { name: 'troubleshooting', at: '#/troubleshooting', drawn: 'main #trouble-reset' },
  { name: 'troubleshooting-check', at: '#/troubleshooting/check', drawn: 'main .notice' },
  { name: 'first-sample', at: '#/first', drawn: 'main input[type=radio]' },
  { name: 'settings', at: '#/settings', drawn: 'main #machine-settings' },
];

/** The pages over a scene of the simulated engine, as a person has set them. */
export async function open(
  page: Page,
  { scene = 'busy', at = '#/containers', theme = 'light' as Theme, locale = 'en' as Locale, path = '/' } = {},
): Promise<void> {
  await page.addInitScript(
    ([theme, locale]) => {
      // Only at first: what the person sets later is theirs, across a reload too.
      if (localStorage.getItem('berth.prefs') === null)
        localStorage.setItem('berth.prefs', JSON.stringify({ theme, locale, density: 'comfortable' }));
    },
    [theme, locale] as const,
  );
  await page.goto(`${path}?scene=${scene}${at}`);
  await listens(page);
}

/** The pages anew, as by F5. */
export async function reload(page: Page): Promise<void> {
  await page.reload();
  await listens(page);
}

/** Waits until the pages have been drawn: keys before this would be nobody's. */
async function listens(page: Page): Promise<void> {
  await expect(page.locator('#main')).toBeVisible();
}

/** What a place with a name in braces is in this scene: asked of the engine in the page, as the pages do. */
export async function fill(page: Page, at: string, names: Record<string, string> = {}): Promise<string> {
  const wanted = /\{(\w+)\}/.exec(at)?.[1];
  if (wanted === undefined) return at;
  const found = await page.evaluate(
    async ([kind, name]) => {
      const { request } = engine as unknown as {
        request: (request: object) => Promise<{ body: ReadableStream<Uint8Array> }>;
      };
      const list = async (path: string) =>
        JSON.parse(await new Response((await request.call(engine, { method: 'GET', path })).body).text());
      type One = {
        Id: string;
        Names?: string[];
        Name: string;
        Labels?: Record<string, string>;
        RepoTags?: string[];
      };
      const containers = (await list('/containers/json?all=1')) as One[];
      const pick = (all: One[], is: (one: One) => boolean) => all.find(is) ?? all[0];
      const build = async (status: string) => {
        const all = (await list('/berth/builds')) as { Ref: string; Status: string }[];
        return (all.find(({ Status }) => Status === status) ?? all[0])?.Ref;
      };
      switch (kind) {
        case 'build':
          return build(name ?? 'completed');
        case 'failed':
          return build('error');
        case 'container':
          return pick(containers, (one) => one.Names!.includes(`/${name ?? 'shop-web-1'}`))?.Id;
        case 'project':
          return name ?? containers.map((one) => one.Labels?.['com.docker.compose.project']).find(Boolean);
        case 'image':
          return pick((await list('/images/json')) as One[], (one) => (one.RepoTags ?? []).length > 0)?.Id;
        case 'volume':
          return pick(((await list('/volumes')) as { Volumes: One[] }).Volumes, (one) => !name || one.Name === name)
            ?.Name;
        default:
          return pick((await list('/networks')) as One[], (one) => one.Name === (name ?? 'shop_backend'))?.Id;
      }
    },
    [wanted, names[wanted]] as const,
  );
  expect(found, `a ${wanted} of the scene`).toBeTruthy();
  return at.replace(`{${wanted}}`, encodeURIComponent(found!));
}

/** Goes to a view in a page that is open, and waits until it has been drawn. */
export async function show(page: Page, view: View, names: Record<string, string> = {}): Promise<void> {
  const at = await fill(page, view.at, names);
  await page.evaluate((to) => (location.hash = to), at);
  await expect(page.locator(view.drawn).first()).toBeVisible();
  await expect(page.locator('main .spinner')).toHaveCount(0);
}

/** Gathers all that a page complains about. */
export function complaints(page: Page): string[] {
  const said: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') said.push(message.text());
  });
  page.on('pageerror', (error) => said.push(String(error)));
  return said;
}
