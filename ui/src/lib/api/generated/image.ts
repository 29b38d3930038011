// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

import type { Healthcheck } from "./container";
import type { DriverData } from "./inspect";
import type { Empty } from "./shapes";

/** An OCI descriptor. */
export interface Descriptor {
  annotations?: Record<string, string>;
  digest: string;
  mediaType: string;
  platform?: Platform;
  size: number;
  urls?: string[];
}

/** The configuration of an image. Eight members are always sent, `null` or empty where the image has nothing to say. */
export interface ImageConfig {
  ArgsEscaped?: boolean;
  Cmd: string[] | null;
  Entrypoint: string[] | null;
  Env: string[] | null;
  ExposedPorts?: Record<string, Empty>;
  Healthcheck?: Healthcheck;
  Labels: Record<string, string> | null;
  OnBuild: string[] | null;
  Shell?: string[];
  StopSignal?: string;
  User: string;
  Volumes: Record<string, Empty> | null;
  WorkingDir: string;
}

/** One element of the answer to `DELETE /images/{name}`: exactly one of the two is set. */
export interface ImageDeleteItem {
  Deleted?: string;
  Untagged?: string;
}

/** One line of `GET /images/{name}/history`, newest first. */
export interface ImageHistoryItem {
  Comment: string;
  /** Seconds since the epoch. */
  Created: number;
  CreatedBy: string;
  /** `<missing>` where there is none. */
  Id: string;
  Size: number;
  Tags: string[] | null;
}

/** The answer to `GET /images/{name}/json`. */
export interface ImageInspect {
  Architecture: string;
  Author: string;
  Comment: string;
  Config: ImageConfig | null;
  Created?: string;
  Descriptor?: Descriptor;
  DockerVersion: string;
  GraphDriver: DriverData;
  Id: string;
  Metadata: ImageMetadata;
  Os: string;
  OsVersion?: string;
  Parent: string;
  RepoDigests: string[];
  RepoTags: string[];
  RootFS: RootFs;
  Size: number;
  Variant?: string;
  /** Only for clients before 1.44. */
  VirtualSize?: number;
}

export interface ImageMetadata {
  /** When this engine last tagged it; the zero time if never. */
  LastTagTime: string;
}

/** The answer to image prune. */
export interface ImagePruneReport {
  ImagesDeleted: ImageDeleteItem[] | null;
  SpaceReclaimed: number;
}

/** One element of `GET /images/json`; -1 where a number was not asked for. */
export interface ImageSummary {
  Containers: number;
  /** Seconds since the epoch. */
  Created: number;
  Descriptor?: Descriptor;
  Id: string;
  Labels: Record<string, string> | null;
  ParentId: string;
  /** Never `null` in lists; `null` in `system df` where there are none. */
  RepoDigests: string[] | null;
  RepoTags: string[] | null;
  SharedSize: number;
  Size: number;
  /** Only for clients before 1.44. */
  VirtualSize?: number;
}

/** An OCI platform. */
export interface Platform {
  architecture: string;
  os: string;
  "os.features"?: string[];
  "os.version"?: string;
  variant?: string;
}

export interface RootFs {
  /** diffIDs, lowest first. */
  Layers?: string[];
  Type?: string;
}
