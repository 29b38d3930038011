//! A machine in a list.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{DEFAULT, Name};
use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Result, context};

/// What [`all`](super::all) tells of one, for whoever lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listed {
    pub name: String,
    pub in_use: bool,
    /// As its daemon says it; of one without a daemon `running` or `stopped`.
    pub phase: String,
    pub cpus: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
    /// Bytes that its disk takes of this computer.
    pub disk_held: u64,
    /// The docker context that leads to it while it runs.
    pub context: String,
}

impl Listed {
    /// # Errors
    /// When its settings or its disk cannot be looked at.
    pub fn of(machine: &Paths, in_use: Option<&Name>, phase: &str) -> Result<Listed> {
        let settings = Settings::load(&machine.settings())?;
        let name = machine.machine();
        Ok(Listed {
            name: name.map_or(DEFAULT, Name::as_str).to_owned(),
            in_use: name == in_use,
            phase: phase.to_owned(),
            cpus: settings.cpus,
            memory_mib: settings.memory_mib,
            disk_gib: settings.disk_gib,
            disk_held: held(&machine.data_disk())?,
            context: context::name(name),
        })
    }
}

fn held(disk: &Path) -> Result<u64> {
    Ok(crate::machine::disk::held(disk)?.unwrap_or(0))
}
