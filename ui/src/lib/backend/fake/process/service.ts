import type { Process, Program, Stream } from './process';
import { repeat } from './process';

export interface Line {
  stream?: Stream;
  text: string;
}

/** What a server says: at its start, now and then, and when it is asked to stop. */
export interface Voice {
  start?: (time: number) => Line[];
  /** The `turn`th line of its life. */
  line: (turn: number, time: number, chance: () => number) => Line;
  /** Milliseconds between two lines, at least and at most. */
  every: [number, number];
  stop?: (time: number) => Line[];
}

/** A server: talks until it is told to end, and ends well. */
export function service(voice: Voice): Program {
  return (process) => {
    const { clock, random } = process.setting;
    say(process, voice.start?.(clock.now()) ?? []);
    repeat(
      process,
      () => random.between(...voice.every),
      (turn) => say(process, [voice.line(turn, clock.now(), () => random.next())]),
    );
    const end = () => {
      say(process, voice.stop?.(clock.now()) ?? []);
      process.after(120, () => process.exit(0));
    };
    for (const signal of [2, 3, 15]) process.trap(signal, end);
  };
}

function say(process: Process, lines: Line[]): void {
  for (const { stream = 'stdout', text } of lines) {
    if (stream === 'stderr') process.err(`${text}\n`);
    else process.out(`${text}\n`);
  }
}
