import { afterEach, expect, it, vi } from 'vitest';
import { Visible } from './visible.svelte';

afterEach(() => document.body.replaceChildren());

/** A list of `count` rows of 20 pixels in a box of 200, scrolled by `scroll`. */
function list(count: number) {
  const box = document.body.appendChild(document.createElement('div'));
  const body = box.appendChild(document.createElement('div'));
  const at = { scroll: 0, boxTop: 100, boxHeight: 200 };
  vi.spyOn(box, 'getBoundingClientRect').mockImplementation(() => new DOMRect(0, at.boxTop, 300, at.boxHeight));
  vi.spyOn(body, 'getBoundingClientRect').mockImplementation(
    () => new DOMRect(0, at.boxTop - at.scroll, 300, at.boxHeight === 0 ? 0 : count * 20),
  );
  // What was said of the height is wrong: what is laid out counts.
  const visible = new Visible(() => count, 44);
  return { at, box, visible, stop: visible.watch(box, body) };
}

it('is what the box shows and a little around, by the height that rows have', () => {
  const { at, box, visible, stop } = list(1000);
  expect(visible.range()).toEqual([0, 18]);
  at.scroll = 4000;
  box.dispatchEvent(new Event('scroll'));
  expect(visible.range()).toEqual([192, 218]);
  at.scroll = 1000 * 20 - 200;
  box.dispatchEvent(new Event('scroll'));
  expect(visible.range()).toEqual([982, 1000]);
  stop();
});

it('follows what scrolls around the box, and leaves out what is beyond the window', () => {
  const { at, visible, stop } = list(1000);
  at.boxHeight = 20_000;
  at.boxTop = -2000;
  document.body.dispatchEvent(new Event('scroll'));
  const [first, end] = visible.range();
  expect(first).toBe(92);
  expect(end).toBe(100 + Math.ceil(innerHeight / 20) + 8);
  stop();
});

it('does not look when something beside it scrolls, nor when it has been left', () => {
  const { at, box, visible, stop } = list(1000);
  at.scroll = 4000;
  document.body.appendChild(document.createElement('div')).dispatchEvent(new Event('scroll'));
  expect(visible.range()).toEqual([0, 18]);
  stop();
  box.dispatchEvent(new Event('scroll'));
  expect(visible.range()).toEqual([0, 18]);
});

it('guesses while nothing is laid out', () => {
  const { at, box, visible, stop } = list(1000);
  at.boxHeight = 0;
  box.dispatchEvent(new Event('scroll'));
  expect(visible.range()).toEqual([0, 53]);
  stop();
});
