import type { ContainerSummary } from '$lib/api/generated';
import { LABEL, row, type Row } from './rows';

/** A container as the engine lists it, for tests. */
export function summary(name: string, more: Partial<ContainerSummary> = {}): ContainerSummary {
  return {
    Id: more.Id ?? idOf(name),
    Names: [`/${name}`],
    Image: 'nginx:alpine',
    ImageID: `sha256:${'a'.repeat(64)}`,
    Command: 'nginx',
    Created: 1_700_000_000,
    Ports: [],
    Labels: {},
    State: 'running',
    Status: 'Up 5 minutes',
    HostConfig: {},
    NetworkSettings: null,
    Mounts: [],
    ...more,
  };
}

/** One of a compose project. */
export function member(
  project: string,
  service: string,
  more: Partial<ContainerSummary> & { dependsOn?: string; number?: number } = {},
): ContainerSummary {
  const { dependsOn = '', number = 1, ...rest } = more;
  return summary(`${project}-${service}-${number}`, {
    ...rest,
    Labels: {
      [LABEL.project]: project,
      [LABEL.service]: service,
      [LABEL.dependsOn]: dependsOn,
      ...rest.Labels,
    },
  });
}

export function aRow(name: string, more: Partial<ContainerSummary> = {}): Row {
  return row(summary(name, more));
}

export function idOf(name: string): string {
  const digits = [...name].map((character) => character.charCodeAt(0).toString(16).padStart(4, '0')).join('');
  return digits.padEnd(64, '0').slice(0, 64);
}
