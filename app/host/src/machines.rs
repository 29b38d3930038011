//! The machines of a user: made, listed, used, copied, removed. Each has its own settings, disk, daemon and docker context; the
//! default one is always there and has no name of its own (decision 0037).

use std::fmt;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::driver::leftovers;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::{Error, Result, context, daemon, paths, sys};

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
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(inner)
            && !text.ends_with('-')
            && text.len() <= LONGEST;
        match (good, text) {
            (false, _) => Err(Error::MachineName { name: text.to_owned() }),
            (true, DEFAULT) => Ok(None),
            (true, _) => Ok(Some(Name(text.to_owned()))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
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
        Err(error) => Err(taken_back(&made, error)),
    }
}

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
    let _made_held = at_rest(&made)?;
    match copy_disk(source, &made) {
        Ok(()) => Ok(made),
        Err(error) => Err(taken_back(&made, error)),
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

/// Removes a machine with all that is in it.
///
/// # Errors
/// When it runs or has a daemon: then nothing was removed. Else what cannot be removed is left.
pub fn remove(machine: &Paths) -> Result<()> {
    let Some(name) = machine.machine().cloned() else { return Err(Error::DefaultMachine) };
    machine.create()?;
    let _held = at_rest(machine)?;
    let context = context::name(Some(&name));
    match context::remove(&paths::docker_context_file(&context)?, &context) {
        // Somebody else's stays.
        Ok(_) | Err(Error::ForeignContext { .. }) => {}
        Err(error) => return Err(error),
    }
    if in_use(machine)?.as_ref() == Some(&name) {
        take_into_use(machine, None)?;
    }
    erase(machine)
}

/// The cause why a machine was not made; what is left of it is told beside.
fn taken_back(made: &Paths, cause: Error) -> Error {
    if let Err(error) = erase(made) {
        tracing::warn!(error = %error.chain(), "a machine that could not be made is not wholly removed");
    }
    cause
}

/// The settings last: as long as they are there, so is the machine, and it can be removed once more.
fn erase(machine: &Paths) -> Result<()> {
    for folder in [machine.runtime_dir(), machine.data_dir(), machine.config_dir()] {
        gone(fs::remove_dir_all(folder)).map_err(Error::file("remove", folder))?;
    }
    Ok(())
}

/// Keeps daemons away from a machine that does not run, until what is returned is dropped.
fn at_rest(machine: &Paths) -> Result<daemon::Lock> {
    let held = daemon::Lock::take(machine)?;
    if has_hypervisor(machine) {
        return Err(Error::WrongState { state: "running without its daemon", remedy: "run `berth down` for it first" });
    }
    Ok(held)
}

/// Whether a hypervisor runs for the machine, with a daemon or without one.
pub fn has_hypervisor(machine: &Paths) -> bool {
    !leftovers::find(&machine.launch_record(), &machine.qemu_pid_file()).is_empty()
}

fn gone(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What [`all`] tells of one, for whoever lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use std::io::{Seek, SeekFrom, Write};

    use super::*;

    fn name(text: &str) -> Name {
        Name::of(text).unwrap().unwrap()
    }

    fn names(paths: &Paths) -> Vec<String> {
        all(paths).unwrap().iter().map(|one| one.machine().map_or(DEFAULT, Name::as_str).to_owned()).collect()
    }

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(Name::of("default").unwrap(), None);
        assert_eq!(name("work-2").as_str(), "work-2");
        for bad in ["", "Work", "2x", "a_b", "a/b", "..", "-a", "a-", "ä", &"x".repeat(25)] {
            assert!(matches!(Name::of(bad), Err(Error::MachineName { .. })), "{bad}");
        }
    }

    #[test]
    fn machines_are_made_used_listed_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let default = Paths::below(dir.path()).unwrap();
        assert_eq!(names(&default), ["default"]);
        default.create().unwrap();
        let mut settings = Settings::load(&default.settings()).unwrap();
        for (key, value) in [("locale", "zh-CN"), ("memory_mib", "777"), ("listen", "tcp://127.0.0.1:2375")] {
            settings.set(key, value).unwrap();
        }
        settings.save(&default.settings()).unwrap();
        let work = create(&default, &name("work"), &[("cpus", "1".to_owned()), ("disk_gib", "5".to_owned())]).unwrap();
        assert!(matches!(create(&default, &name("work"), &[]), Err(Error::MachineExists { .. })));
        // Its settings are gone, its disk is not.
        let orphan = default.of_machine(Some(name("orphan")));
        std::fs::create_dir_all(orphan.data_disk().parent().unwrap()).unwrap();
        std::fs::write(orphan.data_disk(), "kept").unwrap();
        assert!(matches!(create(&default, &name("orphan"), &[]), Err(Error::MachineLeft { .. })));
        assert!(matches!(copy(&default, &name("orphan")), Err(Error::MachineLeft { .. })));
        assert_eq!(std::fs::read_to_string(orphan.data_disk()).unwrap(), "kept");
        assert!(matches!(create(&default, &name("bad"), &[("cpus", "0".to_owned())]), Err(Error::BadSetting { .. })));
        assert_eq!(names(&default), ["default", "work"]);
        let listed = Listed::of(&work, Some(&name("work")), "stopped").unwrap();
        assert_eq!((listed.cpus, listed.disk_gib, listed.in_use), (1, 5, true));
        assert_eq!(listed.context, "berth-work");
        let settings = Settings::load(&work.settings()).unwrap();
        assert_eq!((settings.locale.as_str(), settings.listen.len()), ("zh-CN", 0));
        assert_ne!(settings.memory_mib, 777);

        assert!(matches!(take_into_use(&default, Some(name("play"))), Err(Error::NoMachine { .. })));
        take_into_use(&work, Some(name("work"))).unwrap();
        assert_eq!(in_use(&default).unwrap(), Some(name("work")));
        assert!(matches!(remove(&default), Err(Error::DefaultMachine)));
        remove(&work).unwrap();
        assert_eq!((names(&default), in_use(&default).unwrap()), (vec!["default".to_owned()], None));
        assert!(!work.data_dir().exists() && !work.runtime_dir().exists());
    }

    #[test]
    fn a_copy_has_all_but_what_only_one_can_have() {
        let dir = tempfile::tempdir().unwrap();
        let default = Paths::below(dir.path()).unwrap();
        default.create().unwrap();
        let mut settings = Settings::load(&default.settings()).unwrap();
        settings.set("cpus", "1").unwrap();
        settings.set("listen", "tcp://127.0.0.1:2375").unwrap();
        settings.save(&default.settings()).unwrap();
        let mut disk = fs::File::create(default.data_disk()).unwrap();
        disk.set_len(1 << 30).unwrap();
        disk.seek(SeekFrom::Start(700 << 20)).unwrap();
        disk.write_all(b"in the middle").unwrap();

        let copy = super::copy(&default, &name("copy")).unwrap();
        let copied = Settings::load(&copy.settings()).unwrap();
        assert_eq!((copied.cpus, copied.listen.len()), (1, 0));
        let metadata = fs::metadata(copy.data_disk()).unwrap();
        assert_eq!(metadata.len(), 1 << 30);
        assert!(sys::allocated(&metadata) < 1 << 20, "{} bytes", sys::allocated(&metadata));
        let mut middle = [0; 13];
        let mut file = fs::File::open(copy.data_disk()).unwrap();
        file.seek(SeekFrom::Start(700 << 20)).unwrap();
        std::io::Read::read_exact(&mut file, &mut middle).unwrap();
        assert_eq!(&middle, b"in the middle");

        // One that may run is left alone.
        let alive = sys::ProcessIdentity::of(std::process::id()).unwrap();
        leftovers::note(&copy.launch_record(), &[alive]).unwrap();
        assert!(matches!(super::copy(&copy, &name("again")), Err(Error::WrongState { .. })));
        assert!(matches!(remove(&copy), Err(Error::WrongState { .. })));
        assert_eq!(names(&default), ["default", "copy"]);
    }
}
