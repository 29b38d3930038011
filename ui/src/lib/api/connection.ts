import type { Answer, Backend, Duplex, Request } from '$lib/backend/backend';
import { refusal } from './call';
import { Frames, type Piece } from './frames';

/** Asks for a connection; an ordinary answer instead of one becomes `Refused`. */
export async function connect(backend: Backend, request: Request): Promise<Duplex> {
  const upgrade = await backend.upgrade(request);
  if ('answer' in upgrade) throw await refusal(upgrade.answer);
  return upgrade.duplex;
}

/** What a container writes, told apart by stream. A terminal has only one: all of it counts as standard output. */
export function pieces(output: ReadableStream<Uint8Array>, framed: boolean): ReadableStream<Piece> {
  const frames = new Frames();
  return output.pipeThrough(
    new TransformStream<Uint8Array, Piece>({
      transform(chunk, controller) {
        if (!framed) controller.enqueue({ stream: 'stdout', bytes: chunk });
        else for (const piece of frames.push(chunk)) controller.enqueue(piece);
      },
    }),
  );
}

/** True if the answer says that its body is framed. */
export function isFramed(answer: Answer): boolean {
  return answer.headers['content-type']?.startsWith('application/vnd.docker.multiplexed-stream') ?? false;
}
