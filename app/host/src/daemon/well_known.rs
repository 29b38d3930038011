//! `/var/run/docker.sock`, where docker's clients look when nobody tells them: a symbolic link to the engine socket, as Docker
//! Desktop and Colima make it, and only by the setting `var_run_docker_sock`.
//!
//! A link of ours is known by where it leads, which is recorded: it may be of a daemon that was killed, or of another session. A
//! socket that nobody answers is of no use to anybody and gives way; everything else there is somebody else's and stays.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Error, Result, sys};

#[derive(Debug, Clone)]
pub(super) struct WellKnown {
    paths: Paths,
    /// Why the setting cannot be followed.
    note: Arc<Mutex<Option<String>>>,
}

impl WellKnown {
    pub(super) fn new(paths: &Paths) -> WellKnown {
        WellKnown { paths: paths.clone(), note: Arc::default() }
    }

    /// Why docker's path does not lead here though the user wants it to.
    pub(super) fn note(&self) -> Option<String> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the link or removes ours, by the settings. A failure is also noted for the status.
    pub(super) fn follow_settings(&self) -> Result<()> {
        let wanted = Settings::load(&self.paths.settings()).map(|settings| settings.var_run_docker_sock);
        let done = wanted.and_then(|wanted| if wanted { self.lead_here() } else { self.leave() });
        *self.note.lock().unwrap_or_else(PoisonError::into_inner) = done.as_ref().err().map(Error::chain);
        done
    }

    fn lead_here(&self) -> Result<()> {
        let (path, target) = (self.paths.well_known_socket(), self.paths.engine_socket());
        let found = Found::at(path, &[Some(target.clone()), self.recorded()]);
        match found.map_err(Error::file("read", path))? {
            Found::Ours(at) if at == target => return Ok(()),
            Found::Ours(_) | Found::Dead => std::fs::remove_file(path).map_err(Error::file("replace", path))?,
            Found::Nothing => {}
            Found::Foreign => return Err(Error::ForeignSocket { path: path.to_path_buf() }),
        }
        // First the record: a link that is not recorded would be nobody's.
        sys::write_private(&self.paths.well_known_record(), target.as_os_str().as_encoded_bytes())?;
        sys::link_to(&target, path).map_err(Error::file("make the link", path))
    }

    /// Removes our link.
    pub(super) fn leave(&self) -> Result<()> {
        let (path, target) = (self.paths.well_known_socket(), self.paths.engine_socket());
        let recorded = self.recorded();
        if recorded.is_some() && matches!(Found::at(path, &[Some(target), recorded]), Ok(Found::Ours(_))) {
            std::fs::remove_file(path).map_err(Error::file("remove", path))?;
        }
        Ok(())
    }

    /// Where the latest link that we made leads to.
    fn recorded(&self) -> Option<PathBuf> {
        std::fs::read_to_string(self.paths.well_known_record()).ok().map(PathBuf::from)
    }
}

/// What is at docker's path.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A link of ours, leading there.
    Ours(PathBuf),
    /// A socket that nobody listens at.
    Dead,
    Foreign,
}

impl Found {
    fn at(path: &Path, ours: &[Option<PathBuf>]) -> io::Result<Found> {
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        if metadata.is_symlink() {
            let target = std::fs::read_link(path)?;
            if ours.iter().flatten().any(|our| *our == target) {
                return Ok(Found::Ours(target));
            }
        }
        Ok(if sys::nobody_listens(path) { Found::Dead } else { Found::Foreign })
    }
}
