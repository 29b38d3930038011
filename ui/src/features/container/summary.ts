import { row, type Row } from '$features/containers/rows';
import type { ContainerInspect, Port } from '$lib/api/generated';
import { instant } from '$lib/live/clock';

/** A container's full view as a row of the lists, for what both show. */
export function rowOf(inspect: ContainerInspect): Row {
  const { Id, Name, Image, Config, State, Mounts, Created } = inspect;
  return row({
    Id,
    Names: [Name],
    Image: Config.Image,
    ImageID: Image,
    Command: [inspect.Path, ...inspect.Args].join(' '),
    Created: Math.floor((instant(Created) ?? 0) / 1000),
    Ports: ports(inspect),
    Labels: Config.Labels ?? {},
    State: State.Status,
    Status: status(inspect),
    HostConfig: { NetworkMode: inspect.HostConfig.NetworkMode },
    NetworkSettings: { Networks: inspect.NetworkSettings.Networks ?? {} },
    Mounts,
  });
}

/** As the list of containers has them: one for each address that a port is bound to. */
export function ports(inspect: ContainerInspect): Port[] {
  return Object.entries(inspect.NetworkSettings.Ports ?? {}).flatMap(([key, bindings]): Port[] => {
    const [port = '', Type = 'tcp'] = key.split('/');
    const exposed = { PrivatePort: Number(port), Type };
    if (bindings === null || bindings.length === 0) return [exposed];
    return bindings.map((one) => ({ ...exposed, IP: one.HostIp, PublicPort: Number(one.HostPort) }));
  });
}

// The words of the list, as far as rows read them.
function status({ State }: ContainerInspect): string {
  if (State.Status === 'exited') return `Exited (${State.ExitCode})`;
  if (State.Status === 'restarting') return `Restarting (${State.ExitCode})`;
  const health = State.Health?.Status;
  if (health === undefined || health === '' || health === 'none') return State.Status;
  return `${State.Status} (${health === 'starting' ? 'health: starting' : health})`;
}
