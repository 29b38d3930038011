// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

import type { Mount, MountInput } from "./mount";

export interface DeviceMapping {
  /** Some of `r`, `w`, `m`. */
  CgroupPermissions: string;
  PathInContainer: string;
  PathOnHost: string;
}

export interface DeviceMappingInput {
  /** Some of `r`, `w`, `m`. */
  CgroupPermissions?: string;
  PathInContainer?: string;
  PathOnHost?: string;
}

export interface DeviceRequest {
  Capabilities: string[][] | null;
  Count: number;
  DeviceIDs: string[] | null;
  Driver: string;
  Options: Record<string, string> | null;
}

export interface DeviceRequestInput {
  Capabilities?: string[][] | null;
  Count?: number;
  DeviceIDs?: string[] | null;
  Driver?: string;
  Options?: Record<string, string> | null;
}

/** The host-dependent half of a container's configuration. */
export interface HostConfig {
  Annotations?: Record<string, string>;
  AutoRemove: boolean;
  /** `source:target[:options]`. */
  Binds: string[] | null;
  BlkioDeviceReadBps: ThrottleDevice[] | null;
  BlkioDeviceReadIOps: ThrottleDevice[] | null;
  BlkioDeviceWriteBps: ThrottleDevice[] | null;
  BlkioDeviceWriteIOps: ThrottleDevice[] | null;
  BlkioWeight: number;
  BlkioWeightDevice: WeightDevice[] | null;
  CapAdd: string[] | null;
  CapDrop: string[] | null;
  Cgroup: string;
  CgroupParent: string;
  /** Empty, `private` or `host`. */
  CgroupnsMode: string;
  /** Height, then width. */
  ConsoleSize: [number, number];
  ContainerIDFile: string;
  CpuCount: number;
  CpuPercent: number;
  /** Microseconds. */
  CpuPeriod: number;
  /** Microseconds. */
  CpuQuota: number;
  CpuRealtimePeriod: number;
  CpuRealtimeRuntime: number;
  CpuShares: number;
  CpusetCpus: string;
  CpusetMems: string;
  DeviceCgroupRules: string[] | null;
  DeviceRequests: DeviceRequest[] | null;
  Devices: DeviceMapping[] | null;
  Dns: string[] | null;
  DnsOptions: string[] | null;
  DnsSearch: string[] | null;
  /** `host:ip`. */
  ExtraHosts: string[] | null;
  GroupAdd: string[] | null;
  IOMaximumBandwidth: number;
  IOMaximumIOps: number;
  Init?: boolean;
  /** Empty, `none`, `private`, `shareable`, `host` or `container:<name|id>`. */
  IpcMode: string;
  Isolation: string;
  KernelMemory?: number;
  KernelMemoryTCP?: number;
  Links: string[] | null;
  LogConfig: LogConfig;
  /** `None`: the default set; empty: none at all. */
  MaskedPaths: string[] | null;
  /** Bytes. */
  Memory: number;
  MemoryReservation: number;
  /** Memory and swap together; -1: unlimited swap. */
  MemorySwap: number;
  MemorySwappiness: number | null;
  Mounts?: Mount[];
  /** 10^-9 CPUs. */
  NanoCpus: number;
  /** `default`, `bridge`, `host`, `none`, `container:<name|id>` or a network's name. */
  NetworkMode: string;
  OomKillDisable: boolean | null;
  OomScoreAdj: number;
  /** Empty, `host` or `container:<name|id>`. */
  PidMode: string;
  /** 0 and -1: unlimited. */
  PidsLimit: number | null;
  PortBindings: Record<string, PortBinding[] | null> | null;
  Privileged: boolean;
  PublishAllPorts: boolean;
  /** `None`: the default set; empty: none at all. */
  ReadonlyPaths: string[] | null;
  ReadonlyRootfs: boolean;
  RestartPolicy: RestartPolicy;
  Runtime?: string;
  SecurityOpt: string[] | null;
  /** Bytes. */
  ShmSize: number;
  StorageOpt?: Record<string, string>;
  Sysctls?: Record<string, string>;
  /** Target path to mount options. */
  Tmpfs?: Record<string, string>;
  /** Empty or `host`. */
  UTSMode: string;
  Ulimits: Ulimit[] | null;
  /** Empty or `host`. */
  UsernsMode: string;
  VolumeDriver: string;
  /** `container[:ro|rw]`. */
  VolumesFrom: string[] | null;
}

/** The host-dependent half of a container's configuration. */
export interface HostConfigInput {
  Annotations?: Record<string, string> | null;
  AutoRemove?: boolean;
  /** `source:target[:options]`. */
  Binds?: string[] | null;
  BlkioDeviceReadBps?: ThrottleDeviceInput[] | null;
  BlkioDeviceReadIOps?: ThrottleDeviceInput[] | null;
  BlkioDeviceWriteBps?: ThrottleDeviceInput[] | null;
  BlkioDeviceWriteIOps?: ThrottleDeviceInput[] | null;
  BlkioWeight?: number;
  BlkioWeightDevice?: WeightDeviceInput[] | null;
  CapAdd?: string[] | null;
  CapDrop?: string[] | null;
  Cgroup?: string;
  CgroupParent?: string;
  /** Empty, `private` or `host`. */
  CgroupnsMode?: string;
  /** Height, then width. */
  ConsoleSize?: [number, number];
  ContainerIDFile?: string;
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
  Dns?: string[] | null;
  DnsOptions?: string[] | null;
  DnsSearch?: string[] | null;
  /** `host:ip`. */
  ExtraHosts?: string[] | null;
  GroupAdd?: string[] | null;
  IOMaximumBandwidth?: number;
  IOMaximumIOps?: number;
  Init?: boolean | null;
  /** Empty, `none`, `private`, `shareable`, `host` or `container:<name|id>`. */
  IpcMode?: string;
  Isolation?: string;
  KernelMemory?: number;
  KernelMemoryTCP?: number;
  Links?: string[] | null;
  LogConfig?: LogConfigInput;
  /** `None`: the default set; empty: none at all. */
  MaskedPaths?: string[] | null;
  /** Bytes. */
  Memory?: number;
  MemoryReservation?: number;
  /** Memory and swap together; -1: unlimited swap. */
  MemorySwap?: number;
  MemorySwappiness?: number | null;
  Mounts?: MountInput[] | null;
  /** 10^-9 CPUs. */
  NanoCpus?: number;
  /** `default`, `bridge`, `host`, `none`, `container:<name|id>` or a network's name. */
  NetworkMode?: string;
  OomKillDisable?: boolean | null;
  OomScoreAdj?: number;
  /** Empty, `host` or `container:<name|id>`. */
  PidMode?: string;
  /** 0 and -1: unlimited. */
  PidsLimit?: number | null;
  PortBindings?: Record<string, PortBindingInput[] | null> | null;
  Privileged?: boolean;
  PublishAllPorts?: boolean;
  /** `None`: the default set; empty: none at all. */
  ReadonlyPaths?: string[] | null;
  ReadonlyRootfs?: boolean;
  RestartPolicy?: RestartPolicyInput;
  Runtime?: string;
  SecurityOpt?: string[] | null;
  /** Bytes. */
  ShmSize?: number;
  StorageOpt?: Record<string, string> | null;
  Sysctls?: Record<string, string> | null;
  /** Target path to mount options. */
  Tmpfs?: Record<string, string> | null;
  /** Empty or `host`. */
  UTSMode?: string;
  Ulimits?: UlimitInput[] | null;
  /** Empty or `host`. */
  UsernsMode?: string;
  VolumeDriver?: string;
  /** `container[:ro|rw]`. */
  VolumesFrom?: string[] | null;
}

export interface LogConfig {
  Config: Record<string, string> | null;
  /** Empty: the engine's default. */
  Type: string;
}

export interface LogConfigInput {
  Config?: Record<string, string> | null;
  /** Empty: the engine's default. */
  Type?: string;
}

/** One binding of a container port. */
export interface PortBinding {
  HostIp: string;
  /** A number, a range `8000-8010`, or empty for any free one. */
  HostPort: string;
}

/** One binding of a container port. */
export interface PortBindingInput {
  HostIp?: string;
  /** A number, a range `8000-8010`, or empty for any free one. */
  HostPort?: string;
}

export interface RestartPolicy {
  MaximumRetryCount: number;
  /** Empty, `no`, `always`, `unless-stopped` or `on-failure`. */
  Name: string;
}

export interface RestartPolicyInput {
  MaximumRetryCount?: number;
  /** Empty, `no`, `always`, `unless-stopped` or `on-failure`. */
  Name?: string;
}

export interface ThrottleDevice {
  Path: string;
  /** Bytes or operations per second. */
  Rate: number;
}

export interface ThrottleDeviceInput {
  Path?: string;
  /** Bytes or operations per second. */
  Rate?: number;
}

/** A resource limit; -1 means unlimited. */
export interface Ulimit {
  Hard: number;
  Name: string;
  Soft: number;
}

/** A resource limit; -1 means unlimited. */
export interface UlimitInput {
  Hard?: number;
  Name?: string;
  Soft?: number;
}

export interface WeightDevice {
  Path: string;
  Weight: number;
}

export interface WeightDeviceInput {
  Path?: string;
  Weight?: number;
}
