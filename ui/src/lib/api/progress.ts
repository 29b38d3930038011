import type { Backend, Request } from '$lib/backend/backend';
import { call, Refused } from './call';
import type { JsonMessage } from './generated';
import { values } from './lines';

/**
 * The lines of a pull, push or load. What fails on the way is said in the stream, behind a status of 200: it is thrown as `Refused`, like
 * what fails before. Leaving the loop, or the request's signal, ends the work in the engine too.
 */
export async function* progress(backend: Backend, request: Request): AsyncGenerator<JsonMessage> {
  const answer = await call(backend, request);
  for await (const message of values<JsonMessage>(answer.body)) {
    const failed = message.errorDetail?.message ?? message.error;
    if (failed !== undefined && failed !== null) throw new Refused(message.errorDetail?.code || 500, failed);
    yield message;
  }
}
