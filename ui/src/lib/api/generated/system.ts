// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

import type { ContainerSummary } from "./container";
import type { ImageSummary } from "./image";
import type { Volume } from "./volume";

export interface AddressPool {
  Base: string;
  Size: number;
}

export interface Commit {
  Expected?: string;
  ID: string;
}

export interface ComponentVersion {
  Details?: Record<string, string>;
  Name: string;
  Version: string;
}

export interface ContainerdInfo {
  Address?: string;
  Namespaces: ContainerdNamespaces;
}

export interface ContainerdNamespaces {
  Containers: string;
  Plugins: string;
}

/** The answer to `GET /system/df`; a kind that was not asked for is `null`. */
export interface DiskUsage {
  BuildCache: unknown[] | null;
  BuilderSize?: number;
  Containers: ContainerSummary[] | null;
  Images: ImageSummary[] | null;
  LayersSize: number;
  Volumes: Volume[] | null;
}

export interface FirewallBackend {
  Driver: string;
  Info?: Array<[string, string]>;
}

export interface IndexInfo {
  Mirrors: string[];
  Name: string;
  Official: boolean;
  Secure: boolean;
}

export interface PlatformName {
  Name: string;
}

/** The drivers there are. */
export interface Plugins {
  Authorization: string[] | null;
  Log: string[] | null;
  Network: string[] | null;
  Volume: string[] | null;
}

export interface RegistryConfig {
  IndexConfigs: Record<string, IndexInfo>;
  InsecureRegistryCIDRs: string[];
  Mirrors: string[] | null;
}

export interface RuntimeInfo {
  path?: string;
  runtimeArgs?: string[];
  runtimeType?: string;
  status?: Record<string, string>;
}

/** Always inactive here. */
export interface SwarmInfo {
  ControlAvailable: boolean;
  Error: string;
  LocalNodeState: string;
  NodeAddr: string;
  NodeID: string;
  RemoteManagers: unknown[] | null;
}

/** The answer to `GET /info`. */
export interface SystemInfo {
  /** As `uname -m` says it. */
  Architecture: string;
  CDISpecDirs: string[] | null;
  CPUSet: boolean;
  CPUShares: boolean;
  CgroupDriver: string;
  CgroupVersion?: string;
  Containerd?: ContainerdInfo;
  ContainerdCommit: Commit;
  Containers: number;
  ContainersPaused: number;
  ContainersRunning: number;
  ContainersStopped: number;
  CpuCfsPeriod: boolean;
  CpuCfsQuota: boolean;
  Debug: boolean;
  DefaultAddressPools?: AddressPool[];
  DefaultRuntime: string;
  DockerRootDir: string;
  Driver: string;
  DriverStatus: Array<[string, string]>;
  ExperimentalBuild: boolean;
  FirewallBackend?: FirewallBackend;
  GenericResources: unknown[] | null;
  HttpProxy: string;
  HttpsProxy: string;
  ID: string;
  IPv4Forwarding: boolean;
  Images: number;
  IndexServerAddress: string;
  InitBinary: string;
  InitCommit: Commit;
  Isolation: string;
  KernelMemoryTCP?: boolean;
  KernelVersion: string;
  Labels: string[];
  LiveRestoreEnabled: boolean;
  LoggingDriver: string;
  /** Bytes. */
  MemTotal: number;
  MemoryLimit: boolean;
  NCPU: number;
  NEventsListener: number;
  NFd: number;
  NGoroutines: number;
  Name: string;
  NoProxy: string;
  OSType: string;
  OSVersion: string;
  OomKillDisable: boolean;
  OperatingSystem: string;
  PidsLimit: boolean;
  Plugins: Plugins;
  ProductLicense?: string;
  RegistryConfig: RegistryConfig | null;
  RuncCommit: Commit;
  Runtimes: Record<string, RuntimeInfo>;
  /** `name=seccomp,profile=builtin` and the like. */
  SecurityOptions: string[];
  ServerVersion: string;
  SwapLimit: boolean;
  Swarm: SwarmInfo;
  /** RFC 3339 with nanoseconds. */
  SystemTime: string;
  Warnings: string[] | null;
}

/** The answer to `GET /version`. */
export interface SystemVersion {
  ApiVersion: string;
  Arch: string;
  BuildTime?: string;
  Components?: ComponentVersion[];
  Experimental?: boolean;
  GitCommit: string;
  GoVersion: string;
  KernelVersion?: string;
  MinAPIVersion?: string;
  Os: string;
  Platform: PlatformName;
  Version: string;
}
