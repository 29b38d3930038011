//! A machine made as another one is.

use std::fs;

use super::{Name, OF_ONE_MACHINE, at_rest, create_with, taken_back};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Error, Result, sys};

/// Makes the machine `name` as the one of `source` is: its settings, but for what only one machine can have, and all that is on its disk.
///
/// # Errors
/// When the source runs or has a daemon, there is one of that name, or there is no room: then nothing is left behind.
pub fn copy(source: &Paths, name: &Name) -> Result<Paths> {
    source.create()?;
    let _held = at_rest(source)?;
    let mut settings = Settings::load(&source.settings())?;
    for key in OF_ONE_MACHINE {
        settings.unset(key)?;
    }
    let made = create_with(source, name, &settings)?;
    // Nobody starts it while half of its disk is there.
    let held = at_rest(&made)?;
    match copy_disk(source, &made) {
        Ok(()) => Ok(made),
        Err(error) => Err(taken_back(&made, Some(held), error)),
    }
}

/// Under another name until it is whole: a start refuses what a copy that was cut off left.
fn copy_disk(source: &Paths, made: &Paths) -> Result<()> {
    let (from, part, to) = (source.data_disk(), made.partial_disk(), made.data_disk());
    if !from.exists() {
        return Ok(());
    }
    sys::copy_sparse(&from, &part).map_err(Error::file("copy to", &part))?;
    fs::rename(&part, &to).map_err(Error::file("rename to", &to))
}
