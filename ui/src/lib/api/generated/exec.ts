// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

/** The body of `POST /containers/{id}/exec`. */
export interface ExecConfig {
  AttachStderr?: boolean;
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  Cmd?: string[] | null;
  /** Height, then width. */
  ConsoleSize?: [number, number] | null;
  Detach?: boolean;
  DetachKeys?: string;
  Env?: string[] | null;
  Privileged?: boolean;
  Tty?: boolean;
  User?: string;
  WorkingDir?: string;
}

/** The answer to `GET /exec/{id}/json`. */
export interface ExecInspect {
  CanRemove: boolean;
  ContainerID: string;
  DetachKeys: string;
  /** `None` until the command ended. */
  ExitCode: number | null;
  ID: string;
  OpenStderr: boolean;
  OpenStdin: boolean;
  OpenStdout: boolean;
  Pid: number;
  ProcessConfig: ExecProcessConfig;
  Running: boolean;
}

/** The command within an exec inspection. */
export interface ExecProcessConfig {
  arguments: string[];
  entrypoint: string;
  privileged?: boolean;
  tty: boolean;
  user?: string;
}

/** The body of `POST /exec/{id}/start`. */
export interface ExecStartRequest {
  /** Height, then width; only with a terminal. */
  ConsoleSize?: [number, number] | null;
  Detach?: boolean;
  Tty?: boolean;
}
