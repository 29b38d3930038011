// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

/** One volume. */
export interface Volume {
  /** RFC 3339, whole seconds. */
  CreatedAt?: string;
  Driver: string;
  Labels: Record<string, string> | null;
  Mountpoint: string;
  Name: string;
  Options: Record<string, string> | null;
  /** `local` here. */
  Scope: string;
  Status?: Record<string, unknown>;
  UsageData?: VolumeUsage;
}

/** The body of `POST /volumes/create`. */
export interface VolumeCreateRequest {
  ClusterVolumeSpec?: unknown;
  /** Empty: `local`. */
  Driver?: string;
  DriverOpts?: Record<string, string> | null;
  Labels?: Record<string, string> | null;
  /** Empty: an anonymous volume. */
  Name?: string;
}

/** The answer to `GET /volumes`. */
export interface VolumeList {
  Volumes: Volume[];
  Warnings: string[] | null;
}

/** The answer to volume prune. */
export interface VolumePruneReport {
  SpaceReclaimed: number;
  VolumesDeleted: string[] | null;
}

/** Only in `system df`; -1 where unknown. */
export interface VolumeUsage {
  RefCount: number;
  /** Bytes. */
  Size: number;
}
