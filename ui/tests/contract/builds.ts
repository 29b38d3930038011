/** What a build in the engine's history looks like: the engine's own, so that there is no recording of dockerd's. */
import { expect } from 'vitest';

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/);
const DIGEST = /^sha256:/;
const TEXT = expect.any(String);
const NUMBER = expect.any(Number);

/** Holds `build` to its members and kinds of values; `whole` is one with its steps. */
export function expectBuild(build: Record<string, unknown>, whole = false): void {
  const isRunning = build.Status === 'running';
  expect(build).toEqual({
    Ref: expect.stringMatching(/^\S+$/),
    Name: TEXT,
    Dockerfile: TEXT,
    Context: TEXT,
    Target: TEXT,
    Platform: TEXT,
    Status: expect.stringMatching(/^(running|completed|error|canceled)$/),
    Error: build.Status === 'error' ? TEXT : '',
    CreatedAt: TIME,
    CompletedAt: isRunning ? null : TIME,
    Steps: { Total: NUMBER, Completed: NUMBER, Cached: NUMBER, Warnings: NUMBER },
    Tags: expect.any(Array),
    ImageID: build.ImageID === '' ? '' : expect.stringMatching(DIGEST),
    ...(whole ? { Vertices: expect.any(Array) } : {}),
  });
  if (!whole) return;
  for (const vertex of build.Vertices as Record<string, unknown>[]) {
    expect(vertex).toEqual({
      Digest: expect.stringMatching(DIGEST),
      Name: TEXT,
      StartedAt: vertex.StartedAt === null ? null : TIME,
      CompletedAt: vertex.CompletedAt === null ? null : TIME,
      Cached: expect.any(Boolean),
      Error: TEXT,
    });
  }
}
