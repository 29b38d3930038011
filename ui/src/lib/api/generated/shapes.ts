// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

/** An empty JSON object. */
export type Empty = Record<string, never>;

/** The body of every error answer. */
export interface ErrorBody {
  message: string;
}

/** The answer to exec create and commit. */
export interface IdResponse {
  Id: string;
}
