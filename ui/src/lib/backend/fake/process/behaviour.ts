import type { Program } from './process';

/** How a program weighs on the machine: a mean, and how far it swings around it. */
export interface Load {
  /** Of one processor. */
  cpu: [mean: number, swing: number];
  /** Bytes. */
  memory: [mean: number, swing: number];
  /** Bytes a second, in and out. */
  network: [received: number, sent: number];
  /** Bytes a second, read and written. */
  disk: [read: number, written: number];
  processes: number;
}

/** What a simulated program does. What is not told follows from the command itself. */
export interface Behaviour {
  program?: Program;
  load?: Partial<Load>;
  /** What a health check finds. */
  probe?: () => { code: number; output: string };
}

export const IDLE: Load = {
  cpu: [0.0005, 0.0005],
  memory: [1.2e6, 2e5],
  network: [0, 0],
  disk: [0, 0],
  processes: 1,
};
