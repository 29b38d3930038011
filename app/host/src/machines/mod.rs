//! The machines of a user: made, listed, used, copied, removed. Each has its own settings, disk, daemon and docker context; the
//! default one is always there and has no name of its own (decision 0037).

mod archive;
mod copy;
mod erase;
mod listed;
mod rest;
pub mod snapshots;

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::driver::leftovers;
use crate::machine::record::MachineRecord;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Error, Result, context, daemon, sys};

pub use archive::{export, import};
pub use copy::copy;
pub(crate) use erase::erase;
pub use listed::Listed;
pub use rest::{Looked, Unreadable, bring_to_rest, called, look, phase};

/// What the default machine is called where a name must be given.
pub const DEFAULT: &str = "default";

/// Short enough for the names of sockets and of a docker context.
const LONGEST: usize = 24;

/// What a copy does not take along: two machines cannot have one address, or docker's own path.
const OF_ONE_MACHINE: [&str; 3] = ["listen", "var_run_docker_sock", "web_port"];

/// What a new one does not take over from the default one either. The rest is about this computer: proxies, mirrors, folders, language.
const SIZES: [&str; 3] = ["cpus", "memory_mib", "disk_gib"];

/// The name of a machine other than the default one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// `None`: the default machine's.
    ///
    /// # Errors
    /// [`Error::MachineName`].
    pub fn of(text: &str) -> Result<Option<Name>> {
        match (is_plain(text), text) {
            (false, _) => Err(Error::MachineName { name: text.to_owned() }),
            (true, DEFAULT) => Ok(None),
            (true, _) => Ok(Some(Name(text.to_owned()))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Small letters, digits and `-`, a letter first: good for files and sockets of every system.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(inner)
        && !text.ends_with('-')
        && text.len() <= LONGEST
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The machine that commands are about when nothing else is said.
///
/// # Errors
/// When what is noted is no name.
pub fn in_use(paths: &Paths) -> Result<Option<Name>> {
    let file = paths.machine_in_use();
    match fs::read_to_string(&file) {
        Ok(name) => Name::of(name.trim()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::File { action: "read", path: file, source }),
    }
}

/// From now on commands are about this one.
///
/// # Errors
/// When there is no such machine, or it cannot be noted.
pub fn take_into_use(paths: &Paths, name: Option<Name>) -> Result<()> {
    let file = paths.machine_in_use();
    existing(paths, name.clone())?;
    match name {
        Some(name) => sys::write_private(&file, format!("{name}\n").as_bytes()),
        None => gone(fs::remove_file(&file)).map_err(Error::file("remove", file)),
    }
}

/// The folders of a machine that there is.
///
/// # Errors
/// [`Error::NoMachine`].
pub fn existing(paths: &Paths, name: Option<Name>) -> Result<Paths> {
    let found = paths.of_machine(name);
    match found.machine() {
        Some(name) if !found.config_dir().is_dir() => Err(Error::NoMachine { name: name.to_string() }),
        _ => Ok(found),
    }
}

/// All machines, the default one first.
///
/// # Errors
/// When the folder cannot be read.
pub fn all(paths: &Paths) -> Result<Vec<Paths>> {
    let folder = paths.machines_dir();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries.collect::<std::io::Result<Vec<_>>>().map_err(Error::file("read", &folder))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(Error::File { action: "read", path: folder, source }),
    };
    let named = entries.iter().filter(|entry| entry.path().is_dir());
    let named = named.filter_map(|entry| Name::of(entry.file_name().to_str()?).ok().flatten());
    let mut names: Vec<Option<Name>> = named.map(Some).chain([None]).collect();
    names.sort();
    Ok(names.into_iter().map(|name| paths.of_machine(name)).collect())
}

/// Makes a machine with these settings, and for the rest with the default one's; its first start makes the disk.
///
/// # Errors
/// When there is one of that name, or a value is none for its setting: then nothing is left behind.
pub fn create(paths: &Paths, name: &Name, values: &[(&str, String)]) -> Result<Paths> {
    let mut settings = Settings::load(&paths.of_machine(None).settings())?;
    for key in OF_ONE_MACHINE.into_iter().chain(SIZES) {
        settings.unset(key)?;
    }
    for (key, value) in values {
        settings.set(key, value)?;
    }
    create_with(paths, name, &settings)
}

fn create_with(paths: &Paths, name: &Name, settings: &Settings) -> Result<Paths> {
    let made = paths.of_machine(Some(name.clone()));
    let folder = paths.machines_dir();
    fs::create_dir_all(&folder).map_err(Error::file("create the folder", &folder))?;
    // What is taken back must be this call's own: a disk that outlived its settings is somebody's.
    if !made.config_dir().exists() && made.data_dir().exists() {
        return Err(Error::MachineLeft { name: name.to_string(), path: made.data_dir().to_path_buf() });
    }
    // Whoever makes the folder makes the machine.
    match fs::create_dir(made.config_dir()) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Error::MachineExists { name: name.to_string() });
        }
        other => other.map_err(Error::file("create the folder", made.config_dir()))?,
    }
    let filled = made.create().and_then(|()| settings.save(&made.settings()));
    match filled {
        Ok(()) => Ok(made),
        Err(error) => Err(taken_back(&made, None, error)),
    }
}

/// Removes a machine with all that is in it.
///
/// # Errors
/// When it runs or has a daemon: then nothing was removed. Else what cannot be removed is left.
pub fn remove(machine: &Paths) -> Result<()> {
    let Some(name) = machine.machine().cloned() else { return Err(Error::DefaultMachine) };
    machine.create()?;
    let held = at_rest(machine)?;
    context::take_back(machine)?;
    if in_use(machine)?.as_ref() == Some(&name) {
        take_into_use(machine, None)?;
    }
    erase(&folders(machine), &machine.daemon_lock(), Some(held))
}

/// The cause why a machine was not made; what is left of it is told beside.
fn taken_back(made: &Paths, held: Option<daemon::Lock>, cause: Error) -> Error {
    if let Err(error) = erase(&folders(made), &made.daemon_lock(), held) {
        tracing::warn!(error = %error.chain(), "a machine that could not be made is not wholly removed");
    }
    cause
}

/// The settings' last: as long as they are there, so is the machine, and it can be removed once more.
fn folders(machine: &Paths) -> [&std::path::Path; 3] {
    [machine.runtime_dir(), machine.data_dir(), machine.config_dir()]
}

/// Keeps daemons away from a machine that does not run, until what is returned is dropped.
pub(crate) fn at_rest(machine: &Paths) -> Result<daemon::Lock> {
    let held = daemon::Lock::take(machine)?;
    if has_hypervisor(machine) {
        return Err(Error::WrongState { state: "running without its daemon", remedy: "run `berth down` for it first" });
    }
    Ok(held)
}

/// Whether a hypervisor runs for the machine, with a daemon or without one.
pub fn has_hypervisor(machine: &Paths) -> bool {
    // What the operating system runs is recorded until its end is seen, and is then no more than likely to be there.
    let record = MachineRecord::load(&machine.machine_record());
    let recorded = matches!(record, Ok(Some(record)) if record.instance.processes().is_none());
    recorded || !leftovers::find(&machine.launch_record(), &machine.qemu_pid_file()).is_empty()
}

fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
