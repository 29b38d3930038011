// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

import type { ContainerConfig } from "./container";
import type { HostConfig } from "./host_config";
import type { MountPoint } from "./mount";
import type { NetworkSettings } from "./network";

/** The answer to `GET /containers/{id}/json`. */
export interface ContainerInspect {
  AppArmorProfile: string;
  Args: string[];
  Config: ContainerConfig;
  /** RFC 3339 with nanoseconds. */
  Created: string;
  Driver: string;
  ExecIDs: string[] | null;
  GraphDriver: DriverData;
  HostConfig: HostConfig;
  HostnamePath: string;
  HostsPath: string;
  Id: string;
  /** The image's ID. */
  Image: string;
  LogPath: string;
  MountLabel: string;
  Mounts: MountPoint[];
  /** With a leading slash. */
  Name: string;
  NetworkSettings: NetworkSettings;
  /** The program, and its arguments. */
  Path: string;
  Platform: string;
  ProcessLabel: string;
  ResolvConfPath: string;
  RestartCount: number;
  SizeRootFs?: number;
  SizeRw?: number;
  State: ContainerState;
}

/** The state of a container: the booleans are dockerd's and repeat `status`. */
export interface ContainerState {
  Dead: boolean;
  Error: string;
  ExitCode: number;
  FinishedAt: string;
  Health?: Health;
  OOMKilled: boolean;
  Paused: boolean;
  Pid: number;
  Restarting: boolean;
  Running: boolean;
  /** RFC 3339 with nanoseconds; the zero time when it never ran. */
  StartedAt: string;
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  Status: string;
}

/** The storage behind a container or image. */
export interface DriverData {
  Data: Record<string, string> | null;
  Name: string;
}

/** The result of the health check so far. */
export interface Health {
  FailingStreak: number;
  /** The last five probes, oldest first. */
  Log: HealthLog[] | null;
  /** `starting`, `healthy` or `unhealthy`. */
  Status: string;
}

/** One probe of a health check. */
export interface HealthLog {
  End: string;
  ExitCode: number;
  Output: string;
  Start: string;
}
