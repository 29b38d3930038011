/** What is wrong with what is filled in, as far as it can be told without the engine; its own rules, where it has some. */
import type { ContainerSummary } from '$lib/api/generated';
import { fault, type BadReference } from '../reference';
import { user } from '../rows';
import type { Form } from './form';
import { holder, hostOf, rangeOf, taken } from './ports';
import { cut } from '$lib/kit/commandLine';

export type Problem = { field: string } & (
  | { kind: 'image'; why: BadReference }
  | { kind: 'name' }
  | { kind: 'nameTaken'; by: string }
  | { kind: 'quotes' }
  | { kind: 'containerPort' }
  | { kind: 'hostPort' }
  | { kind: 'portTaken'; port: number; by: string }
  | { kind: 'portTwice' }
  | { kind: 'target' }
  | { kind: 'targetRoot' }
  | { kind: 'targetTwice' }
  | { kind: 'volumeName' }
  | { kind: 'bindSource' }
  | { kind: 'envName' }
  | { kind: 'envTwice' }
  | { kind: 'retries' }
  | { kind: 'removeAndRestart' }
);

/** The engine's rule for names of containers and of volumes. */
export const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** All problems, each at the field that it is about: `name`, `ports.0.host` and so on. */
export function problems(form: Form, containers: readonly ContainerSummary[]): Problem[] {
  return [...general(form, containers), ...ports(form, containers), ...mounts(form), ...env(form)];
}

function* general(form: Form, containers: readonly ContainerSummary[]): Generator<Problem> {
  const why = /^(?:sha256:)?[0-9a-f]{12,64}$/.test(form.image) ? undefined : fault(form.image);
  if (why !== undefined) yield { field: 'image', kind: 'image', why };
  if (form.name !== '') {
    if (!NAME.test(form.name)) yield { field: 'name', kind: 'name' };
    const by = containers.find((container) => user(container).name === form.name);
    if (by !== undefined) yield { field: 'name', kind: 'nameTaken', by: by.Id };
  }
  for (const field of ['entrypoint', 'command'] as const) {
    if (!cut(form[field]).whole) yield { field, kind: 'quotes' };
  }
  if (form.restart === 'on-failure' && !/^\d{0,9}$/.test(form.retries)) yield { field: 'retries', kind: 'retries' };
  if (form.autoRemove && form.restart !== 'no') yield { field: 'restart', kind: 'removeAndRestart' };
}

function* ports(form: Form, containers: readonly ContainerSummary[]): Generator<Problem> {
  const held = taken(containers);
  const seen = new Set<string>();
  for (const [at, row] of form.ports.entries()) {
    const inside = rangeOf(row.container);
    if (inside === undefined || inside[0] !== inside[1])
      yield { field: `ports.${at}.container`, kind: 'containerPort' };
    const field = `ports.${at}.host`;
    const host = hostOf(row.host);
    if (host === undefined) {
      yield { field, kind: 'hostPort' };
      continue;
    }
    if (host.range === undefined) continue;
    const by = holder(host, row.protocol, held);
    if (by !== undefined) yield { field, kind: 'portTaken', port: by.port, by: by.by };
    const key = `${host.address} ${host.ports} ${row.protocol}`;
    if (host.range[0] === host.range[1] && seen.has(key)) yield { field, kind: 'portTwice' };
    seen.add(key);
  }
}

function* mounts(form: Form): Generator<Problem> {
  const seen = new Set<string>();
  for (const [at, row] of form.mounts.entries()) {
    const field = `mounts.${at}.target`;
    const target = row.target.replace(/\/+$/, '');
    if (!row.target.startsWith('/')) yield { field, kind: 'target' };
    else if (target === '') yield { field, kind: 'targetRoot' };
    else if (seen.has(target)) yield { field, kind: 'targetTwice' };
    seen.add(target);
    const source = `mounts.${at}.source`;
    if (row.kind === 'volume' && row.source !== '' && !NAME.test(row.source))
      yield { field: source, kind: 'volumeName' };
    if (row.kind === 'bind' && row.source === '') yield { field: source, kind: 'bindSource' };
  }
}

function* env(form: Form): Generator<Problem> {
  const seen = new Set<string>();
  for (const [at, row] of form.env.entries()) {
    const field = `env.${at}.name`;
    if (row.name === '' && row.value === '') continue;
    if (row.name === '' || row.name.includes('=')) yield { field, kind: 'envName' };
    else if (seen.has(row.name)) yield { field, kind: 'envTwice' };
    seen.add(row.name);
  }
}
