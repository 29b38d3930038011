import { type Box, type Lane } from './graph';
import { OUTSIDE, type BoxIn, type LaneIn } from './layout';

/** Heights within a box, of which the drawing and the layout both speak. */
export const BOX = { head: 46, line: 19, foot: 8 } as const;

/** More than these are told in the container's own page. */
const PORTS = 4;

export type BoxLine =
  /** Only the first line of a network names it, and has its edge. */
  | { kind: 'address'; to: string; network?: string; text: string }
  | { kind: 'shares'; text: string }
  | { kind: 'port'; text: string; href?: string }
  | { kind: 'ports'; left: number };

/** What stands in a box below its name: one line for each network, then the published ports. */
export function linesOf(box: Box): BoxLine[] {
  const shown = box.ports.length > PORTS ? PORTS - 1 : PORTS;
  const left = box.ports.length - shown;
  return [
    ...(box.shares === undefined ? [] : [{ kind: 'shares' as const, text: box.shares }]),
    ...box.endpoints.flatMap(({ lane, network, addresses: [first = '', ...more] }) => [
      { kind: 'address' as const, to: lane, network, text: first },
      ...more.map((text) => ({ kind: 'address' as const, to: lane, text })),
    ]),
    ...box.ports.slice(0, shown).map(({ text, href }) => ({ kind: 'port' as const, text, href })),
    ...(left > 0 ? [{ kind: 'ports' as const, left }] : []),
  ];
}

/** The middle of a line, below the box's top. */
export function lineAt(index: number): number {
  return BOX.head + index * BOX.line + BOX.line / 2;
}

export function boxIn(box: Box): BoxIn {
  const lines = linesOf(box);
  const exits = lines.flatMap((line, at) =>
    line.kind === 'address' && line.network !== undefined && line.to !== box.home
      ? [{ to: line.to, y: lineAt(at) }]
      : [],
  );
  const port = lines.findIndex((line) => line.kind === 'port');
  if (port >= 0) exits.push({ to: OUTSIDE, y: lineAt(port) });
  return {
    id: box.id,
    home: box.home,
    height: BOX.head + lines.length * BOX.line + BOX.foot,
    hangs: box.shares === undefined,
    exits,
  };
}

export function laneIn(lane: Lane): LaneIn {
  return { id: lane.id, rail: lane.kind !== 'none' && lane.kind !== 'nowhere' };
}
