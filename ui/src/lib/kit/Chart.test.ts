import '@testing-library/svelte/vitest';
import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import Chart from './Chart.svelte';
import { clock } from './format';

const START = Date.UTC(2026, 4, 4, 12);
const times = [0, 1000, 2000].map((ms) => START + ms);
const unit = (n: number) => `${n} u`;

it('is read through by the arrows, moment by moment', async () => {
  render(Chart, {
    label: 'Load',
    times,
    unit,
    series: [
      { name: 'in', values: [1, 2, 3], tone: 'info' },
      { name: 'out', values: [4, Number.NaN, 6], tone: 'warn' },
    ],
  });
  const chart = screen.getByRole('slider', { name: 'Load' });
  const said = () => chart.getAttribute('aria-valuetext');
  expect(said()).toBe(`${clock(times[2]!)}: in: 3 u, out: 6 u`);
  await fireEvent.keyDown(chart, { key: 'ArrowLeft' });
  expect(said()).toBe(`${clock(times[1]!)}: in: 2 u, out: –`);
  await fireEvent.keyDown(chart, { key: 'Home' });
  expect(said()).toContain('in: 1 u');
  await fireEvent.keyDown(chart, { key: 'Escape' });
  expect(said()).toContain('in: 3 u');
});

it('has an axis up to what was measured, and lines that leave gaps', () => {
  render(Chart, { label: 'Load', times, unit, series: [{ name: 'in', values: [1, Number.NaN, 7], tone: 'accent' }] });
  expect(screen.getByText('8 u')).toBeTruthy();
  expect(document.querySelector('path.line')?.getAttribute('d')?.match(/M/g)).toHaveLength(2);
});

it('says that there is nothing yet', () => {
  render(Chart, { label: 'Load', times: [], unit, series: [{ name: 'in', values: [], tone: 'accent' }] });
  expect(screen.getByText('No measurements yet')).toBeTruthy();
  expect(document.querySelector('path.line')).toBeNull();
});
