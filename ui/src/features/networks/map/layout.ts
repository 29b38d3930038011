/**
 * Where everything of the map of networks is drawn. Pure, and the same for the same input.
 *
 *     outside ──●────────────────────●──      one rail; who publishes ports hangs on it
 *               │                    │
 *     front ─┬──┼────────────●───    │        a network is a lane: its hub, and a rail above each row of boxes
 *            │ [box]┐       [box]────┘        a box lies in the lane of its first network, and hangs on the rail;
 *            └──────┼──────────●───           its other edges leave it to the right
 *                   │        [box]
 *     back  ────────●───                      and run in the gutter beside its column to the first rail of their network
 *
 * Columns are the same in all lanes, so that a gutter is free of boxes over the whole height. Within a gutter each edge has a track
 * for itself as far as it reaches.
 */
export type LaneIn = {
  id: string;
  /** False for what is no network: boxes in it hang on nothing. */
  rail: boolean;
};

export type BoxIn = {
  id: string;
  /** Its lane. */
  home: string;
  height: number;
  /** False if it does not hang on its own lane's rail: it is on another's network. */
  hangs: boolean;
  /** Edges to other lanes, or outside, and how far below its top each leaves the box. */
  exits: { to: string; y: number }[];
};

export type Rect = { x: number; y: number; width: number; height: number };
export type Point = { x: number; y: number };
export type Line = { from: Point; to: Point };

export type Edge = { box: string; to: string; points: Point[] };

export type LaneOut = {
  id: string;
  hub: Rect;
  rails: Line[];
  /** From the hub to the last rail. */
  trunk?: Line;
};

export type Layout = {
  width: number;
  height: number;
  /** Outside first if any box reaches there, then the lanes in their order. */
  lanes: LaneOut[];
  boxes: Map<string, Rect>;
  edges: Edge[];
};

/** The lane outside of all networks. */
export const OUTSIDE = 'outside';

export const SIZE = {
  margin: 16,
  hub: { width: 172, height: 76 },
  /** Between the hub and the first column: room for the trunk. */
  trunk: 36,
  box: 204,
  /** A gutter's least width holds four tracks: one more edge seldom moves a column. */
  gutter: 44,
  track: 8,
  /** From a gutter's side to its first track. */
  side: 10,
  /** From a rail to the boxes that hang on it. */
  drop: 22,
  /** Between a row of boxes and the next rail. */
  row: 20,
  lane: 30,
  /** From a box's left side to where it hangs. */
  hang: 16,
} as const;

export function layout(lanes: readonly LaneIn[], boxes: readonly BoxIn[], columns: number): Layout {
  const outside = boxes.some(({ exits }) => exits.some(({ to }) => to === OUTSIDE));
  const all = outside ? [{ id: OUTSIDE, rail: true }, ...lanes] : lanes;
  const stacked = stack(all, boxes, Math.max(1, columns));
  const runs = runsOf(stacked);
  const used = stacked.flatMap(({ rows }) => rows.map(({ boxes }) => boxes.length));
  const gutters = Array.from({ length: Math.max(0, ...used) }, (_, column) => gutterWidth(runs, column));
  const left = columnsAt(gutters);
  const edges = runs.map((run) => edgeOf(run, left[run.column]!));
  const placed = new Map<string, Rect>();
  for (const { rows } of stacked)
    for (const row of rows)
      row.boxes.forEach((box, column) =>
        placed.set(box.id, { x: left[column]!, y: row.top, width: SIZE.box, height: box.height }),
      );
  const last = stacked.at(-1);
  return {
    width: (left.at(-1) ?? columnsAt([0])[0]!) + SIZE.margin,
    height: (last ? last.bottom : SIZE.margin) + SIZE.margin,
    lanes: stacked.map((lane) => laneOf(lane, edges, left)),
    boxes: placed,
    edges: [...hanging(stacked, left), ...edges],
  };
}

type Row = { rail: number; top: number; boxes: BoxIn[] };
type Stacked = { id: string; rail: boolean; top: number; bottom: number; rows: Row[] };

/** Lanes one below the other, each with its boxes in rows. */
function stack(lanes: readonly LaneIn[], boxes: readonly BoxIn[], columns: number): Stacked[] {
  let y = SIZE.margin;
  return lanes.map(({ id, rail }) => {
    const top = y;
    const own = boxes.filter(({ home }) => home === id);
    const rows: Row[] = [];
    let next = rail ? top + SIZE.drop : top;
    for (let at = 0; at < own.length; at += columns) {
      const row = own.slice(at, at + columns);
      const boxesTop = rail ? next + SIZE.drop : next;
      rows.push({ rail: next, top: boxesTop, boxes: row });
      next = boxesTop + Math.max(...row.map(({ height }) => height)) + SIZE.row;
    }
    const bottom = Math.max(top + SIZE.hub.height, rows.length > 0 ? next - SIZE.row : top);
    y = bottom + SIZE.lane;
    return { id, rail, top, bottom, rows };
  });
}

/** An edge that leaves a box to the right, before its track has a place. */
type Run = { box: string; to: string; column: number; exit: number; rail: number; track: number };

function runsOf(lanes: Stacked[]): Run[] {
  const rails = new Map(lanes.filter(({ rail }) => rail).map((lane) => [lane.id, firstRail(lane)]));
  const runs = lanes.flatMap(({ rows }) =>
    rows.flatMap((row) =>
      row.boxes.flatMap((box, column) =>
        box.exits
          .filter(({ to }) => rails.has(to))
          .map(({ to, y }) => ({ box: box.id, to, column, exit: row.top + y, rail: rails.get(to)!, track: 0 })),
      ),
    ),
  );
  for (const column of new Set(runs.map((run) => run.column))) giveTracks(runs.filter((run) => run.column === column));
  return runs;
}

function firstRail(lane: Stacked): number {
  return lane.rows[0]?.rail ?? lane.top + SIZE.drop;
}

/** The lowest track that is free over the whole run, for the shorter runs first: those to near lanes stay near the boxes. */
function giveTracks(runs: Run[]): void {
  const span = (run: Run) => [Math.min(run.exit, run.rail), Math.max(run.exit, run.rail)] as const;
  const length = (run: Run) => Math.abs(run.exit - run.rail);
  const sorted = [...runs].sort(
    (a, b) => length(a) - length(b) || span(a)[0] - span(b)[0] || (a.box + a.to < b.box + b.to ? -1 : 1),
  );
  const taken: (readonly [number, number])[][] = [];
  for (const run of sorted) {
    const [from, to] = span(run);
    let track = taken.findIndex((spans) => spans.every(([start, end]) => to < start || end < from));
    if (track < 0) track = taken.push([]) - 1;
    taken[track]!.push([from, to]);
    run.track = track;
  }
}

function gutterWidth(runs: Run[], column: number): number {
  const tracks = 1 + Math.max(-1, ...runs.filter((run) => run.column === column).map(({ track }) => track));
  return Math.max(SIZE.gutter, 2 * SIZE.side + (tracks - 1) * SIZE.track);
}

/** Where columns begin, and where the last one's gutter ends. */
function columnsAt(gutters: number[]): number[] {
  const first: number = SIZE.margin + SIZE.hub.width + SIZE.trunk;
  return gutters.reduce((left, gutter) => [...left, left.at(-1)! + SIZE.box + gutter], [first]);
}

function edgeOf(run: Run, left: number): Edge {
  const side = left + SIZE.box;
  const x = side + SIZE.side + run.track * SIZE.track;
  return {
    box: run.box,
    to: run.to,
    points: [
      { x: side, y: run.exit },
      { x, y: run.exit },
      { x, y: run.rail },
    ],
  };
}

function hanging(lanes: Stacked[], left: number[]): Edge[] {
  return lanes
    .filter(({ rail }) => rail)
    .flatMap(({ id, rows }) =>
      rows.flatMap((row) =>
        row.boxes.flatMap((box, column) => {
          if (!box.hangs) return [];
          const x = left[column]! + SIZE.hang;
          return [
            {
              box: box.id,
              to: id,
              points: [
                { x, y: row.top },
                { x, y: row.rail },
              ],
            },
          ];
        }),
      ),
    );
}

function laneOf(lane: Stacked, edges: Edge[], left: number[]): LaneOut {
  const hub = { x: SIZE.margin, y: lane.top, ...SIZE.hub };
  if (!lane.rail) return { id: lane.id, hub, rails: [] };
  const landings = edges.filter(({ to }) => to === lane.id).map(({ points }) => points.at(-1)!.x);
  const start = hub.x + hub.width;
  const trunk = start + SIZE.trunk / 2;
  const ys = lane.rows.length > 0 ? lane.rows.map(({ rail }) => rail) : [firstRail(lane)];
  const rails = ys.map((y, at) => {
    const hangs = (lane.rows[at]?.boxes ?? []).map((box, column) => (box.hangs ? left[column]! + SIZE.hang : 0));
    const ends = [...hangs, ...(at === 0 ? landings : [])];
    return { from: { x: at === 0 ? start : trunk, y }, to: { x: Math.max(trunk, ...ends), y } };
  });
  const last = ys.at(-1)!;
  return {
    id: lane.id,
    hub,
    rails,
    ...(ys.length > 1 ? { trunk: { from: { x: trunk, y: ys[0]! }, to: { x: trunk, y: last } } } : {}),
  };
}
