import type { Build, BuildInspect, BuildVertex } from '$lib/api/builds';

/** For tests: a build that ended well. */
export function build(more: Partial<Build> = {}): Build {
  return {
    Ref: 'ref1',
    Name: 'app',
    Dockerfile: 'Dockerfile',
    Context: '/src/app',
    Target: '',
    Platform: 'linux/amd64',
    Status: 'completed',
    Error: '',
    CreatedAt: '2026-01-15T12:00:00.123456789Z',
    CompletedAt: '2026-01-15T12:00:10.123456789Z',
    Steps: { Total: 3, Completed: 3, Cached: 1, Warnings: 0 },
    Tags: ['docker.io/library/app:latest'],
    ImageID: `sha256:${'a'.repeat(64)}`,
    ...more,
  };
}

/** A step from one moment to another, in milliseconds since `build()` began. */
export function vertex(name: string, from?: number, to?: number, more: Partial<BuildVertex> = {}): BuildVertex {
  const at = (ms: number | undefined) =>
    ms === undefined ? null : new Date(Date.parse('2026-01-15T12:00:00.123Z') + ms).toISOString();
  return {
    Digest: `sha256:${name}`,
    Name: name,
    StartedAt: at(from),
    CompletedAt: at(to),
    Cached: false,
    Error: '',
    ...more,
  };
}

export function inspected(vertices: BuildVertex[], more: Partial<Build> = {}): BuildInspect {
  return { ...build(more), Vertices: vertices };
}
