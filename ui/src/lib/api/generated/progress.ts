// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

export interface ErrorDetail {
  code?: number;
  message: string;
}

/** One line of progress. Absent fields are left out. */
export interface JsonMessage {
  aux?: unknown;
  error?: string;
  errorDetail?: ErrorDetail;
  /** What the line is about: a short layer ID or a tag. */
  id?: string;
  /** The bar, drawn; for old clients. */
  progress?: string;
  progressDetail?: ProgressDetail;
  status?: string;
  stream?: string;
}

/** Bytes done and in all; `{}` where there is nothing to count. */
export interface ProgressDetail {
  current?: number;
  total?: number;
}
