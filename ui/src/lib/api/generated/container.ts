// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

import type { DeviceMappingInput, DeviceRequestInput, HostConfigInput, RestartPolicyInput, ThrottleDeviceInput, UlimitInput, WeightDeviceInput } from "./host_config";
import type { MountPoint } from "./mount";
import type { EndpointSettings, NetworkingConfig } from "./network";
import type { Empty } from "./shapes";

/** What a container runs, independent of the host: swagger `ContainerConfig`. */
export interface ContainerConfig {
  ArgsEscaped?: boolean;
  AttachStderr: boolean;
  AttachStdin: boolean;
  AttachStdout: boolean;
  Cmd: string[] | null;
  Domainname: string;
  Entrypoint: string[] | null;
  /** `NAME=value`; a bare `NAME` removes the image's variable. */
  Env: string[] | null;
  /** Keys `port[/proto]`. */
  ExposedPorts?: Record<string, Empty>;
  Healthcheck?: Healthcheck;
  Hostname: string;
  /** The image as the user wrote it: a reference or an ID. */
  Image: string;
  Labels: Record<string, string> | null;
  MacAddress?: string;
  NetworkDisabled?: boolean;
  OnBuild: string[] | null;
  OpenStdin: boolean;
  Shell?: string[];
  StdinOnce: boolean;
  StopSignal?: string;
  /** Seconds. */
  StopTimeout?: number;
  Tty: boolean;
  /** `user[:group]`, names or numbers; empty: the image's. */
  User: string;
  /** Keys: paths at which anonymous volumes are mounted. */
  Volumes: Record<string, Empty> | null;
  WorkingDir: string;
}

/** The body of `POST /containers/create`: the configuration, with two more members beside its fields. */
export interface ContainerCreateRequest {
  ArgsEscaped?: boolean;
  AttachStderr?: boolean;
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  Cmd?: string[] | null;
  Domainname?: string;
  Entrypoint?: string[] | null;
  /** `NAME=value`; a bare `NAME` removes the image's variable. */
  Env?: string[] | null;
  /** Keys `port[/proto]`. */
  ExposedPorts?: Record<string, Empty> | null;
  Healthcheck?: HealthcheckInput | null;
  HostConfig?: HostConfigInput | null;
  Hostname?: string;
  /** The image as the user wrote it: a reference or an ID. */
  Image?: string;
  Labels?: Record<string, string> | null;
  MacAddress?: string;
  NetworkDisabled?: boolean;
  NetworkingConfig?: NetworkingConfig | null;
  OnBuild?: string[] | null;
  OpenStdin?: boolean;
  Shell?: string[] | null;
  StdinOnce?: boolean;
  StopSignal?: string;
  /** Seconds. */
  StopTimeout?: number | null;
  Tty?: boolean;
  /** `user[:group]`, names or numbers; empty: the image's. */
  User?: string;
  /** Keys: paths at which anonymous volumes are mounted. */
  Volumes?: Record<string, Empty> | null;
  WorkingDir?: string;
}

/** The answer to create. */
export interface ContainerCreateResponse {
  Id: string;
  Warnings: string[];
}

/** The answer to container prune. */
export interface ContainerPruneReport {
  ContainersDeleted: string[] | null;
  SpaceReclaimed: number;
}

/** One element of `GET /containers/json`. */
export interface ContainerSummary {
  Command: string;
  /** Seconds since the epoch. */
  Created: number;
  HostConfig: HostConfigSummary;
  Id: string;
  Image: string;
  ImageID: string;
  Labels: Record<string, string>;
  Mounts: MountPoint[];
  /** With a leading slash each. */
  Names: string[];
  NetworkSettings: NetworkSettingsSummary | null;
  Ports: Port[];
  SizeRootFs?: number;
  SizeRw?: number;
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  State: string;
  /** For people: `Up 5 minutes (healthy)`. */
  Status: string;
}

/** The answer to top: a table. */
export interface ContainerTop {
  Processes: string[][];
  Titles: string[];
}

/** The body of `POST /containers/{id}/update`. */
export interface ContainerUpdateRequest {
  BlkioDeviceReadBps?: ThrottleDeviceInput[] | null;
  BlkioDeviceReadIOps?: ThrottleDeviceInput[] | null;
  BlkioDeviceWriteBps?: ThrottleDeviceInput[] | null;
  BlkioDeviceWriteIOps?: ThrottleDeviceInput[] | null;
  BlkioWeight?: number;
  BlkioWeightDevice?: WeightDeviceInput[] | null;
  CgroupParent?: string;
  CpuCount?: number;
  CpuPercent?: number;
  /** Microseconds. */
  CpuPeriod?: number;
  /** Microseconds. */
  CpuQuota?: number;
  CpuRealtimePeriod?: number;
  CpuRealtimeRuntime?: number;
  CpuShares?: number;
  CpusetCpus?: string;
  CpusetMems?: string;
  DeviceCgroupRules?: string[] | null;
  DeviceRequests?: DeviceRequestInput[] | null;
  Devices?: DeviceMappingInput[] | null;
  IOMaximumBandwidth?: number;
  IOMaximumIOps?: number;
  KernelMemory?: number;
  KernelMemoryTCP?: number;
  /** Bytes. */
  Memory?: number;
  MemoryReservation?: number;
  /** Memory and swap together; -1: unlimited swap. */
  MemorySwap?: number;
  MemorySwappiness?: number | null;
  /** 10^-9 CPUs. */
  NanoCpus?: number;
  OomKillDisable?: boolean | null;
  /** 0 and -1: unlimited. */
  PidsLimit?: number | null;
  RestartPolicy?: RestartPolicyInput;
  Ulimits?: UlimitInput[] | null;
}

/** The answer to update. */
export interface ContainerUpdateResponse {
  Warnings: string[] | null;
}

/** The answer to wait. */
export interface ContainerWaitResponse {
  Error?: WaitError;
  StatusCode: number;
}

/** One element of `GET /containers/{id}/changes`. */
export interface FilesystemChange {
  /** 0 modified, 1 added, 2 deleted. */
  Kind: number;
  Path: string;
}

/** A health check; durations in nanoseconds, 0 meaning "inherit". */
export interface Healthcheck {
  Interval?: number;
  Retries?: number;
  StartInterval?: number;
  StartPeriod?: number;
  /** `[]` inherit, `["NONE"]` disable, `["CMD", ...]` exec, `["CMD-SHELL", command]` through the shell. */
  Test?: string[];
  Timeout?: number;
}

/** A health check; durations in nanoseconds, 0 meaning "inherit". */
export interface HealthcheckInput {
  Interval?: number;
  Retries?: number;
  StartInterval?: number;
  StartPeriod?: number;
  /** `[]` inherit, `["NONE"]` disable, `["CMD", ...]` exec, `["CMD-SHELL", command]` through the shell. */
  Test?: string[] | null;
  Timeout?: number;
}

/** The host configuration within a list entry. */
export interface HostConfigSummary {
  Annotations?: Record<string, string>;
  NetworkMode?: string;
}

/** The networks within a list entry. */
export interface NetworkSettingsSummary {
  Networks: Record<string, EndpointSettings>;
}

/** What the header `X-Docker-Container-Path-Stat` holds (base64 of this JSON). */
export interface PathStat {
  linkTarget: string;
  /** Go's `os.FileMode`: permission bits, with the type in the high bits (see `PathStat::go_mode`). */
  mode: number;
  mtime: string;
  name: string;
  size: number;
}

/** One exposed or published port within a list entry. */
export interface Port {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: string;
}

/** Why a wait ended without an exit code. */
export interface WaitError {
  Message?: string;
}
