import { remove, start } from '../containers/lifecycle';
import type { Container } from '../containers/container';
import { Failure } from '../core/failure';
import type { FakeEngine } from '../engine';
import { have } from '../scenes/catalogue';
import type { Contents } from './machine';

/** The images that ship with the machine. */
const SHIPPED = ['hello-world:latest', 'busybox:latest'];

/** The simulated engine as what is in the machine: reached while that runs, stopped, emptied and brought back with it. */
export function contentsOf(engine: FakeEngine, why: () => string): Contents {
  const { world, link } = engine;
  /** Those that ran when the machine stopped. */
  let ran = new Set<string>();

  const halt = () => {
    for (const container of world.containers.all()) {
      if (!container.countsAsRunning) continue;
      ran.add(container.id);
      container.cancelRestart?.();
      // The end of the machine is no end after which a policy starts it again at once.
      container.stoppedByUser = true;
      if (container.process) container.process.exit(143);
      else if (container.state.is === 'restarting') container.state = { is: 'exited', exit: container.state.exit };
    }
  };

  const wakes = (container: Container) => {
    const { Name: policy } = container.host.RestartPolicy;
    if (policy === 'always') return true;
    return ran.has(container.id) && (policy === 'unless-stopped' || policy === 'on-failure');
  };

  const empty = (volumes: boolean) => {
    for (const container of world.containers.all()) remove(world, container, container.id, true, true);
    for (const network of [...world.networks.all.values()])
      if (!world.networks.isPredefined(network)) world.networks.remove(network.id);
    for (const name of [...world.volumes.all.keys()])
      if (volumes || world.volumes.all.get(name)!.anonymous) world.volumes.remove(name, true);
    world.images.all.clear();
    world.images.references.clear();
    world.builds.all = [];
    ran.clear();
  };

  return {
    open: () => link.open(),
    shut: () => link.close(why),
    stop: halt,
    end() {
      // One that died took its containers with it.
      halt();
      link.cut();
    },
    boot(renew) {
      if (renew) for (const name of SHIPPED) have(world, name);
      for (const container of world.containers.all()) {
        if (container.countsAsRunning || !wakes(container)) continue;
        try {
          start(world, container);
        } catch (error) {
          // It tells by its state that it did not start.
          if (!(error instanceof Failure)) throw error;
        }
      }
      ran = new Set();
    },
    clean: () => empty(false),
    erase: () => empty(true),
  };
}
