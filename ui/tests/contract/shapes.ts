/** The shapes of answers as they were recorded from dockerd, in `tests/fixtures/shapes.json`: members, and kinds of values. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

type Shape = string | Shape[] | { [name: string]: Shape };

const RECORDED = JSON.parse(
  readFileSync(new URL('../../../tests/fixtures/shapes.json', import.meta.url), 'utf8'),
) as Record<string, Shape>;

/** Where this engine answers otherwise than dockerd, as its own tests of shapes know it, too (`tests/api/shapes.rs`). */
const DEVIATIONS = [
  '.HostConfig.OomKillDisable',
  '.BuildTime',
  '.Containerd',
  '.KernelMemoryTCP',
  '.Warnings',
  '.CDISpecDirs',
];

/** Holds `value` to the recording `name`. In a list its first is looked at; `{}` holds what is of no interest there. */
export function expectShape(name: string, value: unknown, except: string[] = []): void {
  const recorded = RECORDED[name];
  if (recorded === undefined) throw new Error(`no recording of "${name}"`);
  expect(
    differences(value, recorded, '').filter((path) => ![...DEVIATIONS, ...except].includes(path.split(':')[0]!)),
  ).toEqual([]);
}

function differences(value: unknown, shape: Shape, path: string): string[] {
  if (shape === 'map') return isObject(value) ? [] : [`${path}: ${kind(value)}, not a map`];
  if (typeof shape === 'string') return kind(value) === shape ? [] : [`${path}: ${kind(value)}, not ${shape}`];
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${path}: ${kind(value)}, not a list`];
    return shape[0] === undefined || value[0] === undefined ? [] : differences(value[0], shape[0], `${path}[]`);
  }
  if (!isObject(value)) return [`${path}: ${kind(value)}, not an object`];
  if (Object.keys(shape).length === 0) return [];
  const names = [...new Set([...Object.keys(shape), ...Object.keys(value)])].toSorted();
  return names.flatMap((name) => {
    const at = `${path}.${name}`;
    if (!(name in shape)) return [`${at}: not in the recording`];
    if (!(name in value)) return [`${at}: missing`];
    return differences(value[name], shape[name]!, at);
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kind(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'list';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
