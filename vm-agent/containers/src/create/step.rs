//! What the container of a build's step has that no client's request can ask for.

use super::mounts::{Wanted, What};
use crate::{Error, Result, names};
use std::path::PathBuf;

/// Beside the request.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Its container's, of [`Step::new_id`], for who has to know it before there is a container; else it is given one.
    pub id: Option<String>,
    pub mounts: Vec<StepMount>,
    /// `NAME=value` for its process, which are in no record and in no answer, and on no disk. They are gone with the engine.
    pub variables: Vec<String>,
    /// Paths that the image calls volumes are the image's files.
    pub without_volumes: bool,
}

impl Step {
    /// An ID that no container has.
    ///
    /// # Errors
    ///
    /// When there are no random numbers.
    pub fn new_id() -> Result<String> {
        names::new_id().map_err(Error::io("make an id"))
    }
}

/// Something of the engine's own that a build's step sees: wherever the engine runs, it is of no host's.
#[derive(Debug, Clone)]
pub struct StepMount {
    pub files: StepFiles,
    /// Absolute and clean.
    pub target: String,
    pub read_only: bool,
}

/// What a step's mount shows.
#[derive(Debug, Clone)]
pub enum StepFiles {
    /// What is there, and what is written goes there.
    Path(PathBuf),
    /// A part of what directories show, where what is written goes elsewhere.
    Above(layers::OverlaySpec, String),
}

impl From<StepMount> for Wanted {
    fn from(mount: StepMount) -> Wanted {
        let what = match mount.files {
            StepFiles::Path(path) => {
                let path = path.to_string_lossy().into_owned();
                What::Bind { path, must_exist: true, recursive: false }
            }
            StepFiles::Above(overlay, subpath) => What::Overlay { overlay, subpath },
        };
        Wanted {
            what,
            destination: mount.target,
            mode: String::new(),
            rw: !mount.read_only,
            propagation: String::new(),
            recursive_read_only: false,
        }
    }
}
