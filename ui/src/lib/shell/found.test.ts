import { describe, expect, it } from 'vitest';
import type { ContainerSummary, ImageSummary } from '$lib/api/generated';
import { find, MOST, ofContainers, ofImages, ofProjects, type Entry } from './found';

const command = (title: string, keywords?: string): Entry => ({
  id: title,
  kind: 'commands',
  title,
  keywords,
  does: { run: () => undefined },
});

const containers = ofContainers([
  { Id: 'aaaabbbbccccdddd', Names: ['/shop-web-1'], Image: 'nginx:1.27' },
  { Id: 'eeeeffff00001111', Names: [], Image: 'redis' },
] as unknown as ContainerSummary[]);

const titles = (query: string, entries: Entry[]) => find(query, entries).map((one) => one.entry.title);

describe('find', () => {
  it('shows the commands where nothing is asked for', () => {
    expect(titles(' ', [...containers, command('Settings')])).toEqual(['Settings']);
  });

  it('finds by name, by what is beside it, and by words that are not shown', () => {
    expect(titles('web', containers)).toEqual(['shop-web-1']);
    expect(titles('nginx', containers)).toEqual(['shop-web-1']);
    expect(titles('aaaabb', containers)).toEqual(['shop-web-1']);
    expect(titles('eeeeffff0000', containers)).toEqual(['eeeeffff0000']);
    expect(titles('colour', [command('Dark theme', 'colour')])).toEqual(['Dark theme']);
  });

  it('puts what is found by its name first', () => {
    const entries = [...ofContainers([{ Id: 'x', Names: ['/cache'], Image: 'redis' }] as never), command('redis help')];
    expect(titles('redis', entries)).toEqual(['redis help', 'cache']);
  });

  it('shows no more than can be looked through', () => {
    const entries = Array.from({ length: 500 }, (_, at) => command(`command ${at}`));
    expect(find('command', entries)).toHaveLength(MOST);
  });
});

it('has an entry for each tag of an image', () => {
  const entries = ofImages([
    { Id: 'sha256:0123456789abcdef', RepoTags: ['a:1', 'a:latest'] },
    { Id: 'sha256:ff', RepoTags: null },
  ] as unknown as ImageSummary[]);
  expect(entries.map((one) => [one.title, one.detail])).toEqual([
    ['a:1', '0123456789ab'],
    ['a:latest', '0123456789ab'],
  ]);
});

it('has an entry for each Compose project', () => {
  const of = (project?: string) => ({ Labels: project === undefined ? {} : { 'com.docker.compose.project': project } });
  const entries = ofProjects([of('shop'), of(), of('blog'), of('shop')] as unknown as ContainerSummary[]);
  expect(entries.map((one) => one.title)).toEqual(['blog', 'shop']);
});
