import { describe, expect, it } from 'vitest';
import type { EventMessage } from '$lib/api/generated';
import { concerns, fits } from './concern';

const event = (Type: string, Action: string, ID = 'x', Attributes = {}): EventMessage => ({
  Type,
  Action,
  Actor: { ID, Attributes },
  time: 0,
  timeNano: 0,
});

describe('concerns', () => {
  it.each([
    ['container', 'create', ['containers']],
    ['container', 'die', ['containers']],
    ['container', 'health_status: healthy', ['containers']],
    ['container', 'exec_start: sh -c true', []],
    ['container', 'exec_die', []],
    ['container', 'kill', []],
    ['container', 'something new', ['containers']],
    ['image', 'pull', ['images', 'containers']],
    ['image', 'push', []],
    ['volume', 'create', ['volumes']],
    ['volume', 'mount', []],
    ['network', 'connect', ['containers']],
    ['network', 'destroy', ['networks']],
    ['builder', 'prune', []],
  ])('%s %s makes %j old', (type, action, kinds) => {
    expect(concerns(event(type, action))).toEqual(kinds);
  });
});

describe('fits', () => {
  it('takes what fits every member', () => {
    const died = event('container', 'die', 'a');
    expect(fits(died, {})).toBe(true);
    expect(fits(died, { type: 'container', actions: ['die'], id: 'a' })).toBe(true);
    expect(fits(died, { type: 'image' })).toBe(false);
    expect(fits(died, { actions: ['start'] })).toBe(false);
    expect(fits(died, { id: 'b' })).toBe(false);
  });

  it('compares actions without what follows them', () => {
    expect(fits(event('container', 'health_status: unhealthy'), { actions: ['health_status'] })).toBe(true);
  });

  it('knows the container that a network event names', () => {
    expect(fits(event('network', 'connect', 'n', { container: 'a' }), { id: 'a' })).toBe(true);
  });
});
