//! A setting is changed, and what follows from it at once follows: with a daemon or without one.

use super::keep_context;
use super::well_known::WellKnown;
use crate::Result;
use crate::machine::record::AcceleratorMemory;
use crate::paths::Paths;
use crate::settings::{Entry, Settings};

/// Changes the setting `name` while no daemon runs; `None` takes it back to its default.
///
/// # Errors
/// When there is no such setting, the value is none for it, or what follows from it fails; the value is kept then.
pub fn change_setting(paths: &Paths, name: &str, value: Option<&str>) -> Result<Entry> {
    paths.create()?;
    let unattended = WellKnown::new(paths);
    apply(paths, name, value, || unattended.leave())
}

/// As [`change_setting`]; `well_known` does what follows for docker's own path, which leads only to a daemon that runs.
pub(super) fn apply(
    paths: &Paths,
    name: &str,
    value: Option<&str>,
    well_known: impl FnOnce() -> Result<()>,
) -> Result<Entry> {
    let file = paths.settings();
    let mut settings = Settings::load(&file)?;
    match value {
        Some(value) => settings.set(name, value)?,
        None => settings.unset(name)?,
    }
    settings.save(&file)?;
    match name {
        "docker_context" => keep_context(paths)?,
        "var_run_docker_sock" => well_known()?,
        // Whoever chooses anew wants it tried anew.
        "accelerator" | "accelerator_order" => AcceleratorMemory::forget(&paths.accelerator_memory())?,
        _ => {}
    }
    settings.entry(name)
}
