// Written from the Rust types of `engine-api` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

export interface BindOptions {
  CreateMountpoint?: boolean;
  NonRecursive?: boolean;
  Propagation?: string;
  ReadOnlyForceRecursive?: boolean;
  ReadOnlyNonRecursive?: boolean;
}

export interface ImageOptions {
  Subpath?: string;
}

/** A mount asked for with `--mount`. */
export interface Mount {
  BindOptions?: BindOptions;
  Consistency?: string;
  ImageOptions?: ImageOptions;
  ReadOnly?: boolean;
  Source?: string;
  Target?: string;
  TmpfsOptions?: TmpfsOptions;
  /** `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`. */
  Type?: string;
  VolumeOptions?: VolumeOptions;
}

/** A mount asked for with `--mount`. */
export interface MountInput {
  BindOptions?: BindOptions | null;
  Consistency?: string;
  ImageOptions?: ImageOptions | null;
  ReadOnly?: boolean;
  Source?: string;
  Target?: string;
  TmpfsOptions?: TmpfsOptionsInput | null;
  /** `bind`, `volume`, `tmpfs`, `image`, `npipe` or `cluster`. */
  Type?: string;
  VolumeOptions?: VolumeOptionsInput | null;
}

/** A mount of a container as inspect and list show it. */
export interface MountPoint {
  Destination: string;
  Driver?: string;
  Mode: string;
  /** The volume's name. */
  Name?: string;
  Propagation: string;
  RW: boolean;
  Source: string;
  Type?: string;
}

export interface TmpfsOptions {
  Mode?: number;
  /** Pairs, or single words for flags. */
  Options?: string[][];
  /** 0: unlimited. */
  SizeBytes?: number;
}

export interface TmpfsOptionsInput {
  Mode?: number;
  /** Pairs, or single words for flags. */
  Options?: string[][] | null;
  /** 0: unlimited. */
  SizeBytes?: number;
}

export interface VolumeDriver {
  Name?: string;
  Options?: Record<string, string>;
}

export interface VolumeDriverInput {
  Name?: string;
  Options?: Record<string, string> | null;
}

export interface VolumeOptions {
  DriverConfig?: VolumeDriver;
  Labels?: Record<string, string>;
  NoCopy?: boolean;
  Subpath?: string;
}

export interface VolumeOptionsInput {
  DriverConfig?: VolumeDriverInput | null;
  Labels?: Record<string, string> | null;
  NoCopy?: boolean;
  Subpath?: string;
}
