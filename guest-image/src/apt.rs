//! apt, asked about the packages of one architecture.
//!
//! This computer's own lists tell only of its own packages. For another architecture the same sources are read into lists below the
//! cache, anew when this computer's lists or sources changed: apt itself never learns of another architecture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::architecture::Architecture;
use crate::digest::Key;
use crate::error::{IoContext, Result};
use crate::tool;

/// Where this computer keeps what it knows of packages.
const LISTS: &str = "/var/lib/apt/lists";
const SOURCES: &str = "/etc/apt";
const INSTALLED: &str = "/var/lib/dpkg/status";

/// apt with the settings by which it knows one architecture's packages.
pub(crate) struct Apt {
    options: Vec<String>,
    /// What its answers depend on.
    known: Vec<PathBuf>,
    architecture: Architecture,
}

impl Apt {
    /// Reads the lists of `architecture` if they are not there or older than this computer's own.
    pub(crate) fn of(architecture: Architecture, cache: &Path, progress: &dyn Fn(&str)) -> Result<Self> {
        // The sandbox user of apt cannot write below a private cache folder; checksums are what protects us.
        let mut options = vec!["APT::Sandbox::User=root".to_owned()];
        if !architecture.is_foreign() {
            let known = [LISTS, SOURCES, INSTALLED].map(PathBuf::from).into();
            return Ok(Self { options: as_options(options), known, architecture });
        }
        let home = cache.join("apt").join(format!("guest-{}", architecture.debian()));
        let lists = home.join("lists");
        fs::create_dir_all(lists.join("partial")).at("create", &lists)?;
        options.extend([
            format!("APT::Architecture={}", architecture.debian()),
            format!("APT::Architectures={}", architecture.debian()),
            format!("Dir::State::lists={}", lists.display()),
            // What is installed here is of this computer's architecture, and of no meaning for another's packages.
            "Dir::State::status=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ]);
        let apt = Self { options: as_options(options), known: vec![lists, SOURCES.into()], architecture };
        apt.refresh(&home, progress)?;
        Ok(apt)
    }

    fn refresh(&self, home: &Path, progress: &dyn Fn(&str)) -> Result<()> {
        // apt does not wait for another one that reads the same lists.
        let lock = fs::File::create(home.join("lock")).at("create", home.join("lock"))?;
        lock.lock().at("lock", home.join("lock"))?;
        let read_for = home.join("read-for");
        let now = stamp_of(&[LISTS, SOURCES].map(PathBuf::from))?;
        if fs::read_to_string(&read_for).is_ok_and(|before| before == now) {
            return Ok(());
        }
        progress(&format!("reading the package lists of {}", self.architecture.debian()));
        // A list that is missing or old is an error: else an image would silently be made of other versions than this computer's lists name.
        tool::output(self.command("apt-get").args(["-q", "--error-on=any", "update"]), "apt")?;
        fs::write(&read_for, now).at("write", read_for)
    }

    /// One of apt's programs, which then tells of packages of this architecture.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }

    /// A digest of everything that apt's answers depend on, without reading the lists themselves.
    pub(crate) fn stamp(&self) -> Result<String> {
        stamp_of(&self.known)
    }
}

fn as_options(settings: Vec<String>) -> Vec<String> {
    settings.into_iter().flat_map(|setting| ["-o".to_owned(), setting]).collect()
}

fn stamp_of(paths: &[PathBuf]) -> Result<String> {
    let mut key = Key::default();
    paths.iter().try_for_each(|path| stamp(path, &mut key))?;
    Ok(key.finish())
}

fn stamp(path: &Path, key: &mut Key) -> Result<()> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    if metadata.is_dir() {
        // `partial` is closed to users other than root and `_apt`, and holds nothing that counts.
        let Ok(entries) = fs::read_dir(path) else { return Ok(()) };
        let mut children: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        children.sort();
        return children.iter().try_for_each(|child| stamp(child, key));
    }
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    key.add("path", path.as_os_str().as_encoded_bytes());
    key.add("state", format!("{} {}", metadata.len(), modified.as_nanos()));
    Ok(())
}
