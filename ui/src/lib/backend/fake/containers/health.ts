import type { Health as Described, Healthcheck } from '$lib/api/generated';
import { rfc3339 } from '../core/time';
import type { World } from '../world';
import type { Container } from './container';
import { probe } from './exec';

const SECOND = 1_000_000_000;
const KEPT = 5;

interface Plan {
  command: string[];
  interval: number;
  startPeriod: number;
  startInterval: number;
  retries: number;
}

/** What the probes of a container have found so far. */
export class Health {
  status: 'starting' | 'healthy' | 'unhealthy' = 'starting';
  streak = 0;
  log: { start: number; end: number; code: number; output: string }[] = [];

  note(code: number, output: string, start: number, end: number, plan: Plan, runningFor: number): void {
    if (code === 0) {
      this.streak = 0;
      this.status = 'healthy';
    } else if (this.status !== 'starting' || runningFor >= plan.startPeriod) {
      this.streak += 1;
      if (this.streak >= plan.retries) this.status = 'unhealthy';
    }
    this.log = [...this.log, { start, end, code, output }].slice(-KEPT);
  }

  describe(): Described {
    return {
      Status: this.status,
      FailingStreak: this.streak,
      Log: this.log.map((one) => ({
        Start: rfc3339(one.start),
        End: rfc3339(one.end),
        ExitCode: one.code,
        Output: one.output,
      })),
    };
  }
}

/** How a container is probed, in milliseconds; nothing where there is no check or it is switched off. */
export function planOf(check: Healthcheck | undefined): Plan | undefined {
  const [kind, ...words] = check?.Test ?? [];
  if (check === undefined || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  const ms = (nanos: number | undefined, seconds: number) => (nanos && nanos > 0 ? nanos : seconds * SECOND) / 1e6;
  return {
    command: kind === 'CMD' ? words : ['/bin/sh', '-c', ...words],
    interval: ms(check.Interval, 30),
    startPeriod: ms(check.StartPeriod, 0),
    startInterval: ms(check.StartInterval, 5),
    retries: check.Retries && check.Retries > 0 ? check.Retries : 3,
  };
}

/** Probes a container from now on, until its run ends. */
export function watch(world: World, container: Container): void {
  const plan = planOf(container.config.Healthcheck);
  if (plan === undefined || container.state.is !== 'running') {
    container.health = undefined;
    return;
  }
  const health = new Health();
  container.health = health;
  const { process } = container;
  const since = container.state.since;
  const again = () => {
    const early = health.status === 'starting' && world.clock.now() - since < plan.startPeriod;
    process?.after(early ? plan.startInterval : plan.interval, () => void look());
  };
  const look = async () => {
    if (container.state.is === 'running') {
      const start = world.now();
      const { code, output } = await probe(world, container, plan.command);
      if (container.process !== process) return;
      const before = health.status;
      health.note(code, output, start, world.now(), plan, world.clock.now() - since);
      if (health.status !== before) container.emit(`health_status: ${health.status}`);
    }
    again();
  };
  again();
}
