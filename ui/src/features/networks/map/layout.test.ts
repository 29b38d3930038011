import { describe, expect, test } from 'vitest';
import { layout, OUTSIDE, SIZE, type BoxIn, type LaneIn, type Layout, type Line, type Rect } from './layout';

const lane = (id: string, rail = true): LaneIn => ({ id, rail });
const box = (id: string, home: string, to: string[] = [], height = 92): BoxIn => ({
  id,
  home,
  height,
  hangs: true,
  exits: to.map((to, at) => ({ to, y: 56 + at * 19 })),
});

/** Networks and containers of any shape, the same for the same seed. */
function any(seed: number): { lanes: LaneIn[]; boxes: BoxIn[]; columns: number } {
  let state = seed * 2654435761 + 1;
  const below = (limit: number) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 0x9e3779b9) >>> 0;
    return state % limit;
  };
  const lanes = Array.from({ length: 1 + below(7) }, (_, at) => lane(`net-${at}`, below(6) > 0));
  const boxes = Array.from({ length: below(45) }, (_, at) => {
    const home = below(lanes.length);
    const others = lanes.slice(home + 1).filter(() => below(3) === 0);
    const to = [...others.map(({ id }) => id), ...(below(3) === 0 ? [OUTSIDE] : [])];
    return { ...box(`box-${at}`, lanes[home]!.id, to, 70 + 19 * to.length), hangs: below(8) > 0 };
  });
  return { lanes, boxes, columns: 1 + below(6) };
}

const SEEDS = Array.from({ length: 100 }, (_, at) => at + 1);

function rects(drawn: Layout): Rect[] {
  return [...drawn.lanes.map(({ hub }) => hub), ...drawn.boxes.values()];
}

function meet(one: Rect, other: Rect): boolean {
  return (
    one.x < other.x + other.width &&
    other.x < one.x + one.width &&
    one.y < other.y + other.height &&
    other.y < one.y + one.height
  );
}

/** Edges as straight pieces, without the ends that lie on a box's side. */
function pieces(drawn: Layout): (Line & { edge: number })[] {
  return drawn.edges.flatMap(({ points }, edge) => points.slice(1).map((to, at) => ({ from: points[at]!, to, edge })));
}

const crosses = (line: Line, rect: Rect) =>
  meet(rect, {
    x: Math.min(line.from.x, line.to.x),
    y: Math.min(line.from.y, line.to.y),
    width: Math.abs(line.from.x - line.to.x) || 0.1,
    height: Math.abs(line.from.y - line.to.y) || 0.1,
  });

const span = ({ from, to }: Line) => [Math.min(from.y, to.y), Math.max(from.y, to.y)] as const;
const show = (what: object) => JSON.stringify(what);

/** What is wrong with the pictures of many; nothing is right. */
function wrong(find: (drawn: Layout, input: ReturnType<typeof any>) => string[]): string[] {
  return SEEDS.flatMap((seed) => {
    const input = any(seed);
    return find(layout(input.lanes, input.boxes, input.columns), input).map((what) => `seed ${seed}: ${what}`);
  });
}

const pairs = <T>(all: T[]): [T, T][] =>
  all.flatMap((one, at) => all.slice(at + 1).map((other): [T, T] => [one, other]));

describe('of any networks and containers', () => {
  test('every container is drawn once, and within the picture', () => {
    const found = wrong((drawn, { boxes }) => {
      const ids = [...drawn.boxes.keys()];
      const outside = rects(drawn).filter(
        ({ x, y, width, height }) => x < 0 || y < 0 || x + width > drawn.width || y + height > drawn.height,
      );
      const missing = boxes.filter(({ id }) => !drawn.boxes.has(id));
      return [...outside.map(show), ...missing.map(({ id }) => id), ...ids.slice(boxes.length)];
    });
    expect(found).toEqual([]);
  });

  test('nothing lies on anything else', () => {
    const found = wrong((drawn) =>
      pairs(rects(drawn))
        .filter(([one, other]) => meet(one, other))
        .map(([one, other]) => `${show(one)} and ${show(other)}`),
    );
    expect(found).toEqual([]);
  });

  test('no line runs through a box', () => {
    const found = wrong((drawn) => {
      const rails = drawn.lanes.flatMap(({ rails, trunk }) => [...rails, ...(trunk ? [trunk] : [])]);
      const lines = [...pieces(drawn), ...rails];
      return [...drawn.boxes.values()].flatMap((rect) => lines.filter((line) => crosses(line, rect)).map(show));
    });
    expect(found).toEqual([]);
  });

  test('no two edges run on top of each other', () => {
    const found = wrong((drawn) =>
      pairs(pieces(drawn).filter(({ from, to }) => from.x === to.x))
        .filter(([one, other]) => one.edge !== other.edge && one.from.x === other.from.x)
        .filter(([one, other]) => {
          const [a, b] = [span(one), span(other)];
          return a[0] <= b[1] && b[0] <= a[1];
        })
        .map(([one, other]) => `${show(one)} and ${show(other)}`),
    );
    expect(found).toEqual([]);
  });

  test('every edge ends on a rail of its network', () => {
    const found = wrong((drawn) =>
      drawn.edges
        .filter(({ to, points }) => {
          const end = points.at(-1)!;
          const rails = drawn.lanes.find(({ id }) => id === to)!.rails;
          return !rails.some(({ from, to }) => from.y === end.y && from.x <= end.x && end.x <= to.x);
        })
        .map(show),
    );
    expect(found).toEqual([]);
  });

  test('the same comes out again', () => {
    const { lanes, boxes, columns } = any(7);
    expect(layout(lanes, boxes, columns)).toEqual(layout(lanes, boxes, columns));
  });
});

describe('when one thing changes', () => {
  const lanes = ['a', 'b', 'c'].map((id) => lane(id));
  const boxes = [
    box('a1', 'a', ['b', OUTSIDE]),
    box('a2', 'a', ['c']),
    box('b1', 'b', ['c']),
    box('b2', 'b'),
    box('c1', 'c', [OUTSIDE]),
  ];
  const before = layout(lanes, boxes, 3);

  test('a container that comes moves nothing when there is room in its row', () => {
    const after = layout(lanes, [...boxes, box('b3', 'b', ['c'])], 3);
    for (const [id, rect] of before.boxes) expect(after.boxes.get(id)).toEqual(rect);
    expect(after.lanes.map(({ hub }) => hub)).toEqual(before.lanes.map(({ hub }) => hub));
  });

  test('a new row moves only what is below it, and straight down', () => {
    const after = layout(lanes, [...boxes, box('b3', 'b'), box('b4', 'b')], 3);
    for (const [id, rect] of before.boxes) {
      const moved = after.boxes.get(id)!;
      expect(moved.x).toBe(rect.x);
      if (id.startsWith('c')) expect(moved.y).toBeGreaterThan(rect.y);
      else expect(moved.y).toBe(rect.y);
    }
  });

  test('a network that comes last moves nothing', () => {
    const after = layout([...lanes, lane('d')], boxes, 3);
    for (const [id, rect] of before.boxes) expect(after.boxes.get(id)).toEqual(rect);
    expect(after.lanes.slice(0, -1)).toEqual(before.lanes);
  });

  test('an edge that goes moves no box', () => {
    const after = layout(
      lanes,
      boxes.map((one) => (one.id === 'a2' ? box('a2', 'a') : one)),
      3,
    );
    for (const [id, rect] of before.boxes) expect(after.boxes.get(id)).toEqual(rect);
  });
});

describe('special lanes', () => {
  test('outside is there only for those who reach it', () => {
    expect(layout([lane('a')], [box('x', 'a')], 2).lanes.map(({ id }) => id)).toEqual(['a']);
    expect(layout([lane('a')], [box('x', 'a', [OUTSIDE])], 2).lanes.map(({ id }) => id)).toEqual([OUTSIDE, 'a']);
  });

  test('without a network nothing hangs on anything', () => {
    const drawn = layout([lane('none', false)], [box('x', 'none'), box('y', 'none')], 1);
    expect(drawn.edges).toEqual([]);
    expect(drawn.lanes[0]).toMatchObject({ rails: [] });
    expect(drawn.lanes[0]!.trunk).toBeUndefined();
  });

  test('an empty network is a hub with a short rail', () => {
    const [only] = layout([lane('a')], [], 3).lanes;
    expect(only!.rails).toHaveLength(1);
    expect(only!.rails[0]!.to.x - only!.rails[0]!.from.x).toBe(SIZE.trunk / 2);
  });

  test('nothing at all is a picture too', () => {
    expect(layout([], [], 3)).toMatchObject({ lanes: [], edges: [] });
  });

  test('rows after the first hang on the trunk', () => {
    const { rails, trunk } = layout([lane('a')], [box('x', 'a'), box('y', 'a')], 1).lanes[0]!;
    const [first, second] = rails;
    expect(trunk).toEqual({ from: { x: second!.from.x, y: first!.from.y }, to: second!.from });
    expect(second!.from.x).toBeGreaterThan(first!.from.x);
  });
});

test('forty containers in six networks fit a page of moderate length', () => {
  const lanes = Array.from({ length: 6 }, (_, at) => lane(`n${at}`));
  const boxes = Array.from({ length: 40 }, (_, at) =>
    box(`c${at}`, `n${at % 6}`, at % 4 === 0 ? [`n${Math.min(5, (at % 6) + 1)}`] : []),
  );
  const drawn = layout(
    lanes,
    boxes.map((one) => ({ ...one, exits: one.exits.filter(({ to }) => to !== one.home) })),
    4,
  );
  expect(drawn.width).toBeLessThan(1400);
  expect(drawn.height).toBeLessThan(2200);
});
