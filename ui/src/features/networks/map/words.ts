import { t } from '$lib/i18n/index.svelte';
import type { Box, Lane } from './graph';

/** How wide letters are at most on average: in the widest of the fonts that systems draw pages with. */
export const LETTER = { bold: 8.2, plain: 7.1, mono: 7 } as const;

/** A text cut to `width`; wide letters count for two. */
export function cut(text: string, width: number, letter: keyof typeof LETTER = 'plain'): string {
  const room = Math.floor(width / LETTER[letter]);
  let used = 0;
  let kept = '';
  for (const letter of text) {
    used += WIDE.test(letter) ? 2 : 1;
    if (used > room) return `${kept.slice(0, -1)}…`;
    kept += letter;
  }
  return text;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u;

/** An address cut in its middle: both ends of one say more than its beginning. */
export function cutMiddle(text: string, width: number): string {
  const room = Math.floor(width / LETTER.mono);
  if (text.length <= room) return text;
  const head = Math.ceil((room - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (room - 1 - head))}`;
}

/** What a lane is called. */
export function laneName(lane: Lane): string {
  return lane.kind === 'nowhere' ? t().networks.drawing.nowhere : lane.name;
}

/** What stands below a lane's name. */
export function laneLines(lane: Lane): string[] {
  const m = t().networks.drawing;
  if (lane.kind === 'host') return [m.host];
  if (lane.kind === 'none') return [m.nothing];
  if (lane.kind === 'nowhere') return [m.nowhereText];
  return lane.subnets.slice(0, 2);
}

/** A lane in words, for a screen reader. */
export function laneLabel(lane: Lane): string {
  const m = t().networks.drawing;
  return m.network(laneName(lane), laneLines(lane).join(', '), m.members(lane.count));
}

/** All that a box shows, in words. */
export function boxLabel(box: Box): string {
  const m = t().networks.drawing;
  const parts = [
    m.container(box.name, t().containers.state[box.container.state]),
    ...(box.shares === undefined ? [] : [m.shares(box.shares)]),
    ...box.endpoints.map(({ network, addresses }) => m.on(network, addresses.join(', '))),
    ...(box.ports.length === 0 ? [] : [m.published(box.ports.map(({ text }) => text).join(', '))]),
  ];
  return parts.join('; ');
}
