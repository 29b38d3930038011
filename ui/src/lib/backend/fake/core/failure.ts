/** A request that failed: the status and the words of the engine. */
export class Failure extends Error {
  override readonly name = 'Failure';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export const invalid = (message: string) => new Failure(400, message);
export const forbidden = (message: string) => new Failure(403, message);
export const notFound = (message: string) => new Failure(404, message);
export const conflict = (message: string) => new Failure(409, message);
export const system = (message: string) => new Failure(500, message);
/** The answer to a start of what runs and a stop of what does not. */
export const notModified = () => new Failure(304, '');
