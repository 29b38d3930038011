/** The path of `values` over a field of `width` by `height`; what is no number leaves a gap. */
export function path(values: readonly number[], max: number, width: number, height: number): string {
  const step = values.length > 1 ? width / (values.length - 1) : 0;
  let text = '';
  let pen = 'M';
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at]!;
    if (!Number.isFinite(value)) {
      pen = 'M';
      continue;
    }
    const y = height - (Math.min(Math.max(value, 0), max) / max) * height;
    text += `${pen}${round(at * step)} ${round(y)}`;
    pen = 'L';
  }
  return text;
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}

/** The highest number of all; 0 if there is none. */
export function highest(series: readonly (readonly number[])[]): number {
  let most = 0;
  for (const values of series) for (const value of values) if (Number.isFinite(value) && value > most) most = value;
  return most;
}

/**
 * Steps of 1, 2, 2.5 or 5 that lead from 0 past `max` in about `wanted` steps; to 1 where there is nothing. Each unit is `unit` of the
 * smaller one: the steps are round in theirs.
 */
export function ticks(max: number, wanted = 4, unit = 1000): number[] {
  if (max <= 1e-12) return [0, 1];
  if (max >= unit) return ticks(max / unit, wanted, unit).map((mark) => mark * unit);
  const rough = max / wanted;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * ([1, 2, 2.5, 5, 10].find((factor) => factor * size >= rough) ?? 10);
  const steps = Math.max(1, Math.ceil(max / step - 1e-9));
  return Array.from({ length: steps + 1 }, (_, at) => at * step);
}
