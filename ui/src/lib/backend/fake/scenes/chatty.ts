/** A container that writes ten thousand lines a second, beside one that has a hundred thousand of them already. */
import type { World } from '../world';
import { encode, repeat } from '../process/process';
import { HOUR, MINUTE, run, talked } from './build';
import * as voices from './voices';

const LINES_A_SECOND = 10_000;
const TICK = 20;
const PAST = 100_000;

export function chatty(world: World): void {
  run(world, {
    name: 'flood',
    image: 'shop/worker:dev',
    ago: MINUTE,
    behaviour: {
      load: { cpu: [0.9, 0.1] },
      program: (process) => {
        let written = 0;
        // Timers come late in a busy page: what was missed is caught up with, so that the rate holds.
        const began = process.setting.clock.now();
        repeat(
          process,
          () => TICK,
          () => {
            const due = Math.floor(((process.setting.clock.now() - began) * LINES_A_SECOND) / 1000);
            const lines: string[] = [];
            // But not without end, after a sleep of the computer.
            written = Math.max(written, due - LINES_A_SECOND);
            for (; written < due; written++)
              lines.push(
                `line ${written} \x1b[3${written % 8}mvalue=${(written * 7919) % 1000}\x1b[0m the quick brown fox jumps over the lazy dog`,
              );
            if (lines.length > 0) process.out(encode(`${lines.join('\n')}\n`));
          },
        );
        process.trap(15, () => process.exit(0));
      },
    },
  });
  const long = run(world, { name: 'long-story', image: 'shop/web:dev', ago: 8 * HOUR });
  talked(world, long, voices.api, PAST);
}
