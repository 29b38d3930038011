//! What is remembered of a container: one record in the store.

use crate::health::Judgement;
use crate::links::Link;
use crate::restart::Backoff;
use crate::state::{State, UnixNanos};
use engine_api::{ContainerConfig, EndpointSettings, HostConfig, Map, MountPoint};
use layers::{DiffId, OverlaySpec};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A container as stored, key: its id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// 64 hexadecimal digits.
    pub(crate) id: String,
    /// Without the leading slash.
    pub(crate) name: String,
    pub(crate) created: UnixNanos,
    /// The image's id, `sha256:...`.
    pub(crate) image: String,
    /// The image's layers, bottom first: a start does not need the image service.
    pub(crate) chain: Vec<DiffId>,
    /// Merged with the image's.
    pub(crate) config: ContainerConfig,
    /// Adapted to this machine.
    pub(crate) host: HostConfig,
    /// Networks to join, as asked for, by name or id; empty for `host`, `none` and `container:`.
    pub(crate) endpoints: Map<EndpointSettings>,
    /// On the default bridge; those of a user-defined network are its endpoint's.
    #[serde(default)]
    pub(crate) links: Vec<Link>,
    pub(crate) mounts: Vec<Mounted>,
    pub(crate) state: State,
    #[serde(default)]
    pub(crate) backoff: Backoff,
    /// The user stopped it: `unless-stopped` does not start it with the engine.
    #[serde(default)]
    pub(crate) stopped_by_user: bool,
    /// What the probes of the last run said; of another run than the present one it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<Judgement>,
    /// It is paused for a commit, not by the user: the next engine, which knows nothing of the commit, lets it go on.
    #[serde(default)]
    pub(crate) held: bool,
}

/// Where a mount's content comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// A path of this machine.
    Bind {
        path: PathBuf,
        recursive: bool,
    },
    /// A path of the computer that this machine runs on.
    Share {
        path: String,
    },
    Volume {
        name: String,
        subpath: String,
    },
    /// The options of mount(8) beside the defaults, e.g. `size=64m`.
    Tmpfs {
        options: Vec<String>,
    },
    /// The layers of an image, bottom first.
    Image {
        /// As the request named it.
        #[serde(default)]
        reference: String,
        id: String,
        chain: Vec<DiffId>,
        subpath: String,
    },
    /// A part of directories that are a build's own, seen together.
    Overlay {
        overlay: OverlaySpec,
        subpath: String,
    },
}

/// A mount of a container besides those that every container has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mounted {
    pub(crate) source: Source,
    /// Absolute and clean.
    pub(crate) destination: String,
    /// As written by the user: `ro,z`; `z` for volumes without one, as dockerd reports them.
    pub(crate) mode: String,
    pub(crate) rw: bool,
    /// `rprivate`, `rslave`, ...; empty for volumes and tmpfs.
    pub(crate) propagation: String,
    /// A read-only bind is read-only below too (`rro`).
    pub(crate) recursive_read_only: bool,
    /// Made for this container and removed with it on `rm -v` and `--rm`.
    pub(crate) anonymous: bool,
    /// From `--tmpfs`, which inspect does not list.
    pub(crate) hidden: bool,
}

impl Record {
    /// The twelve digits that become the host name.
    pub(crate) fn short_id(&self) -> &str {
        &self.id[..12]
    }

    pub(crate) fn volumes(&self) -> impl Iterator<Item = (&str, bool)> {
        self.mounts.iter().filter_map(|mount| match &mount.source {
            Source::Volume { name, .. } => Some((name.as_str(), mount.anonymous)),
            Source::Bind { .. }
            | Source::Share { .. }
            | Source::Tmpfs { .. }
            | Source::Image { .. }
            | Source::Overlay { .. } => None,
        })
    }

    /// Paths of the host's, and whether they are mounted to be read only.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (&str, bool)> {
        self.mounts.iter().filter_map(|mount| match &mount.source {
            Source::Share { path } => Some((path.as_str(), !mount.rw)),
            Source::Bind { .. }
            | Source::Volume { .. }
            | Source::Tmpfs { .. }
            | Source::Image { .. }
            | Source::Overlay { .. } => None,
        })
    }

    pub(crate) fn labels(&self) -> &Map {
        static NONE: Map = Map::new();
        self.config.labels.as_ref().unwrap_or(&NONE)
    }
}

impl Mounted {
    /// As inspect and list show it; `mountpoint` tells where a volume's data is.
    pub(crate) fn report(&self, mountpoint: impl Fn(&str) -> PathBuf) -> Option<MountPoint> {
        if self.hidden {
            return None;
        }
        let mut point = MountPoint {
            destination: self.destination.clone(),
            mode: self.mode.clone(),
            rw: self.rw,
            propagation: self.propagation.clone(),
            ..MountPoint::default()
        };
        match &self.source {
            Source::Bind { path, .. } => {
                point.kind = "bind".to_owned();
                point.source = path.to_string_lossy().into_owned();
            }
            Source::Share { path } => {
                point.kind = "bind".to_owned();
                point.source = path.clone();
            }
            Source::Volume { name, .. } => {
                point.kind = "volume".to_owned();
                point.name = name.clone();
                point.source = mountpoint(name).to_string_lossy().into_owned();
                point.driver = volumes::LOCAL.to_owned();
            }
            Source::Tmpfs { .. } => point.kind = "tmpfs".to_owned(),
            Source::Image { reference, id, .. } => {
                point.kind = "image".to_owned();
                point.name = reference.clone();
                point.source = id.clone();
            }
            // The directories of a build are nobody's business.
            Source::Overlay { .. } => return None,
        }
        Some(point)
    }
}
