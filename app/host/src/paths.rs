//! Names of all files on the host. Nothing else in the tree spells one.
//!
//! The folders of a machine with a name lie within those of the default one, below `machines`; guest images are for all.
//!
//! Four folders: configuration, data (disk, state), cache (guest images) and runtime (sockets). `BERTH_HOME` puts them all
//! below one folder. The address of a Unix socket holds at most 107 bytes (unix(7)), so when a socket's name in the
//! runtime folder would be longer, the sockets move to a folder whose short name is made from a hash of the long one. So they
//! do when there is a comma in it: the vsock device cannot be told such a path.

mod image;

use std::env;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::machines::{self, Name};
use crate::sys;
use crate::whereabouts::Whereabouts;
use crate::{Error, Result};

/// Names the machine that commands are about.
pub const MACHINE_VARIABLE: &str = "BERTH_MACHINE";
const MACHINES: &str = "machines";

/// Where docker's clients look when nobody tells them.
const WELL_KNOWN_SOCKET: &str = "/var/run/docker.sock";
/// The longest path that may name a socket, without the closing NUL; macOS has the smaller `sun_path` (104 bytes).
const SOCKET_PATH_MAX: usize = if cfg!(target_os = "macos") { 103 } else { 107 };
/// The longest file name below the runtime folder, with its separator: the guest's vsock listeners.
const SOCKET_NAME_MAX: usize = "/vsock.sock_4294967295".len();

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    data: PathBuf,
    cache: PathBuf,
    /// Of the daemon that lives, else as `own_runtime`.
    runtime: PathBuf,
    /// What this process' own environment says.
    own_runtime: PathBuf,
    well_known_socket: PathBuf,
    /// Below which all lies, if that was said.
    home: Option<PathBuf>,
    /// `None`: the default machine.
    machine: Option<Name>,
    of_default: OfDefault,
}

/// What the folders of all machines are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OfDefault {
    config: PathBuf,
    data: PathBuf,
    runtime: PathBuf,
}

impl Paths {
    /// The folders of this user and of the machine that `BERTH_MACHINE` names, or else of the one in use; from `BERTH_HOME` or the
    /// platform's conventions; the runtime folder is that of the living daemon, if there is one. Creates nothing.
    pub fn discover() -> Result<Paths> {
        Paths::discover_machine(None)
    }

    /// As [`Paths::discover`], of the machine `name` if there is a name.
    ///
    /// # Errors
    /// When there is no such machine.
    pub fn discover_machine(name: Option<&str>) -> Result<Paths> {
        let of_default = Paths::of_environment()?;
        let named = env::var(MACHINE_VARIABLE).ok().filter(|name| !name.is_empty());
        let name = match name.map(str::to_owned).or(named) {
            Some(name) => Name::of(&name)?,
            None => machines::in_use(&of_default)?,
        };
        let own = machines::existing(&of_default, name)?;
        // Windows has no runtime folders of sessions.
        Ok(if cfg!(windows) { own } else { own.of_living_daemon() })
    }

    /// Those of another machine of this user; `None` is the default one.
    pub fn of_machine(&self, machine: Option<Name>) -> Paths {
        let OfDefault { config, data, runtime } = self.of_default.clone();
        let (config, data, runtime) = match &machine {
            None => (config, data, runtime),
            Some(name) => {
                let below = |folder: PathBuf| folder.join(MACHINES).join(name.as_str());
                (below(config), below(data), fitting(below(runtime)))
            }
        };
        Paths { config, data, runtime: runtime.clone(), own_runtime: runtime, machine, ..self.clone() }
    }

    /// `None`: the default machine.
    pub fn machine(&self) -> Option<&Name> {
        self.machine.as_ref()
    }

    /// Whether all lies below one folder, which somebody named: another home than the user's own.
    pub fn is_elsewhere(&self) -> bool {
        self.home.is_some()
    }

    /// All folders of all machines of this user, whichever machine this is: no container is to find one of them. Whoever can change the
    /// settings of one can share everything with it.
    pub fn own_folders(&self) -> Vec<PathBuf> {
        let OfDefault { config, data, runtime } = self.of_default.clone();
        let own = [self.own_runtime.clone(), self.runtime.clone(), sys::shared_temp_dir()];
        [config, data, self.cache.clone(), runtime].into_iter().chain(own).collect()
    }

    /// One folder for each machine that has a name.
    pub fn machines_dir(&self) -> PathBuf {
        self.of_default.config.join(MACHINES)
    }

    /// Which machine is in use, if it is not the default one.
    pub fn machine_in_use(&self) -> PathBuf {
        self.of_default.config.join("machine")
    }

    fn of_environment() -> Result<Paths> {
        if let Some(home) = env::var_os("BERTH_HOME").filter(|home| !home.is_empty()) {
            return Paths::below(Path::new(&home));
        }
        let dirs = directories::ProjectDirs::from("", "", "berth").ok_or(Error::NoHome)?;
        let runtime = match dirs.runtime_dir() {
            Some(dir) => fitting(dir.to_path_buf()),
            None => short_runtime(dirs.data_local_dir()),
        };
        let of_default =
            OfDefault { config: dirs.config_dir().to_path_buf(), data: dirs.data_local_dir().to_path_buf(), runtime };
        Ok(Paths::default_machine(of_default, dirs.cache_dir().to_path_buf()))
    }

    fn default_machine(of_default: OfDefault, cache: PathBuf) -> Paths {
        Paths {
            config: of_default.config.clone(),
            data: of_default.data.clone(),
            cache,
            own_runtime: of_default.runtime.clone(),
            runtime: of_default.runtime.clone(),
            well_known_socket: PathBuf::from(WELL_KNOWN_SOCKET),
            home: None,
            machine: None,
            of_default,
        }
    }

    /// With the runtime folder of the daemon that lives, when it serves in another session's.
    pub fn of_living_daemon(&self) -> Paths {
        match Whereabouts::of_living(self) {
            Some(living) => Paths { runtime: living.runtime, ..self.clone() },
            None => self.own(),
        }
    }

    /// With the runtime folder that this process' own environment names: where a new daemon serves.
    pub fn own(&self) -> Paths {
        Paths { runtime: self.own_runtime.clone(), ..self.clone() }
    }

    /// With another place for the socket at which docker's clients look when nobody tells them: for tests.
    pub fn with_well_known_socket(self, path: &Path) -> Paths {
        Paths { well_known_socket: path.to_path_buf(), ..self }
    }

    /// All folders below `home`, made absolute so that the daemon may change its folder.
    pub fn below(home: &Path) -> Result<Paths> {
        let home = std::path::absolute(home).map_err(Error::file("resolve", home))?;
        let runtime = fitting(home.join("run"));
        let of_default = OfDefault { config: home.join("config"), data: home.join("data"), runtime };
        let cache = home.join("cache");
        Ok(Paths { home: Some(home), ..Paths::default_machine(of_default, cache) })
    }

    /// Creates the folders; those of the machine, of logs and of sockets with mode 0700, owned by this user.
    ///
    /// # Errors
    /// [`Error::NoMachine`]: a machine with a name is there when its settings are, and one that was removed must not come back, empty,
    /// because somebody still had its name.
    pub fn create(&self) -> Result<()> {
        match &self.machine {
            Some(name) if !self.config.is_dir() => return Err(Error::NoMachine { name: name.to_string() }),
            Some(_) => {}
            None => create_dir_all(&self.config)?,
        }
        create_dir_all(&self.data)?;
        create_dir_all(&self.cache)?;
        if let Some(parent) = self.runtime.parent()
            && parent == sys::shared_temp_dir()
        {
            sys::create_private_dir(parent)?;
        }
        sys::create_private_dir(&self.machine_dir())?;
        sys::create_private_dir(&self.log_dir())?;
        sys::create_private_dir(&self.runtime)
    }

    pub fn config_dir(&self) -> &Path {
        &self.config
    }
    pub fn data_dir(&self) -> &Path {
        &self.data
    }
    pub fn cache_dir(&self) -> &Path {
        &self.cache
    }
    /// Mode 0700; holds every socket.
    pub fn runtime_dir(&self) -> &Path {
        &self.runtime
    }

    pub fn settings(&self) -> PathBuf {
        self.config.join("settings.toml")
    }
    /// What the window's user chose for the window alone, whichever machine it shows.
    pub fn window_preferences(&self) -> PathBuf {
        self.of_default.config.join("window.toml")
    }
    /// What a terminal program runs that takes files only.
    pub fn terminal_script(&self) -> PathBuf {
        self.runtime.join("berth.command")
    }
    /// Held locked by whoever changes the settings, where folders have no locks.
    pub fn settings_lock(&self) -> PathBuf {
        self.config.join("settings.lock")
    }
    /// Mode 0700: the certificates of the engine over TCP, named as docker-machine named its own.
    pub fn tls_dir(&self) -> PathBuf {
        self.config.join("tls")
    }
    /// Held locked by whoever makes certificates.
    pub fn tls_lock(&self) -> PathBuf {
        self.config.join("tls.lock")
    }
    /// What other clients than this computer's are given: a folder of three files for each.
    pub fn tls_clients_dir(&self) -> PathBuf {
        self.tls_dir().join("clients")
    }
    /// Mode 0700: the data disk, the state file with the per-boot secret.
    pub fn machine_dir(&self) -> PathBuf {
        self.data.join("machine")
    }
    /// One file for each, by its name.
    pub fn snapshots_dir(&self) -> PathBuf {
        self.data.join("snapshots")
    }
    /// A data disk that is being copied, until it is whole.
    pub fn partial_disk(&self) -> PathBuf {
        self.data_disk().with_extension("part")
    }

    pub fn data_disk(&self) -> PathBuf {
        self.machine_dir().join(if cfg!(windows) { "disk.vhdx" } else { "disk.raw" })
    }
    /// What the next daemon needs to adopt a running machine.
    pub fn machine_record(&self) -> PathBuf {
        self.machine_dir().join("machine.json")
    }
    /// Which accelerator worked, by QEMU version and host kernel.
    pub fn accelerator_memory(&self) -> PathBuf {
        self.machine_dir().join("accelerators.json")
    }
    /// What the guest image's artefacts looked like when they were verified last.
    pub fn image_verification(&self) -> PathBuf {
        self.cache.join("verified.json")
    }
    /// The base initramfs followed by the boot cpio; mode 0600, rewritten at every boot.
    pub fn initrd(&self) -> PathBuf {
        self.machine_dir().join("initrd")
    }

    /// What the shells of `berth terminal` read.
    pub fn terminal_dir(&self) -> PathBuf {
        self.cache_dir().join("terminal")
    }

    /// What was found of newer versions, and when it was looked.
    pub fn updates(&self) -> PathBuf {
        self.data_dir().join("updates.json")
    }

    /// Whether a machine was started and not seen ending: it may run though no daemon does.
    pub fn may_hold_a_machine(&self) -> bool {
        self.machine_record().exists() || self.launch_record().exists()
    }

    /// Whether there is a machine, be it stopped.
    pub fn has_a_machine(&self) -> bool {
        self.may_hold_a_machine() || self.data_disk().exists()
    }

    /// On Windows the name of a pipe; so is that of the next one.
    pub fn engine_socket(&self) -> PathBuf {
        self.of_daemon("engine")
    }
    pub fn control_socket(&self) -> PathBuf {
        self.of_daemon("control")
    }
    fn of_daemon(&self, what: &str) -> PathBuf {
        if cfg!(windows) {
            return sys::pipes::of_daemon(what, self.machine.as_ref().map(Name::as_str), self.home.as_deref());
        }
        self.runtime.join(format!("{what}.sock"))
    }
    /// The image's root file system as a virtual disk, where the hypervisor wants one.
    pub fn root_disk(&self) -> PathBuf {
        self.machine_dir().join("root.vhd")
    }
    pub fn qmp_socket(&self) -> PathBuf {
        self.runtime.join("qmp.sock")
    }
    /// Between QEMU and the vsock device process.
    pub fn vhost_socket(&self) -> PathBuf {
        self.runtime.join("vhost.sock")
    }
    /// The hybrid vsock socket; the guest's own connections arrive at `<this>_<port>`.
    pub fn vsock_socket(&self) -> PathBuf {
        self.runtime.join("vsock.sock")
    }
    pub fn serial_control_socket(&self) -> PathBuf {
        self.runtime.join("link0.sock")
    }
    pub fn serial_bulk_socket(&self) -> PathBuf {
        self.runtime.join("link1.sock")
    }
    /// In the machine's folder, not with the sockets: whoever owns the disk must find it, in whatever session.
    pub fn qemu_pid_file(&self) -> PathBuf {
        self.machine_dir().join("qemu.pid")
    }
    /// The processes of the latest start, noted as each begins.
    pub fn launch_record(&self) -> PathBuf {
        self.machine_dir().join("launch.json")
    }
    /// Held locked by the daemon for as long as it lives, beside what it owns: one daemon per disk, in whatever session.
    pub fn daemon_lock(&self) -> PathBuf {
        self.machine_dir().join("daemon.lock")
    }
    /// Where the living daemon serves.
    pub fn daemon_whereabouts(&self) -> PathBuf {
        self.machine_dir().join("daemon.json")
    }
    /// There after a reset that kept volumes: the next boot brings the images that ship with the machine back.
    pub fn renewal_mark(&self) -> PathBuf {
        self.machine_dir().join("renew-images")
    }
    /// Where docker's clients look when nobody tells them: only ours by the setting `var_run_docker_sock`.
    pub fn well_known_socket(&self) -> &Path {
        &self.well_known_socket
    }
    /// Where the symbolic link that we put there leads to.
    pub fn well_known_record(&self) -> PathBuf {
        self.data.join("docker-sock.json")
    }

    pub fn log_dir(&self) -> PathBuf {
        self.data.join("log")
    }
    pub fn daemon_log(&self) -> PathBuf {
        self.log_dir().join("daemon.log")
    }
    /// The window's own, whichever machine it shows.
    pub fn window_log(&self) -> PathBuf {
        self.of_machine(None).log_dir().join("window.log")
    }
    /// The serial console of the current boot; the boot before is at `console.log.1`.
    pub fn console_log(&self) -> PathBuf {
        self.log_dir().join("console.log")
    }
    pub fn qemu_log(&self) -> PathBuf {
        self.log_dir().join("qemu.log")
    }
    /// How QEMU was called for the current or latest boot.
    pub fn qemu_command(&self) -> PathBuf {
        self.log_dir().join("qemu-command.txt")
    }
    pub fn vsock_device_log(&self) -> PathBuf {
        self.log_dir().join("vhost-device-vsock.log")
    }

    /// What is written to for as long as a daemon or a machine lives, by whoever appends to it.
    pub fn growing_logs(&self) -> [PathBuf; 4] {
        [self.console_log(), self.daemon_log(), self.qemu_log(), self.vsock_device_log()]
    }
}

/// Folder and file of a docker context of this name, below the client's configuration folder
/// (`DOCKER_CONFIG`, or `~/.docker`): `contexts/meta/<sha256 of the name>/meta.json`.
pub fn docker_context_file(name: &str) -> Result<PathBuf> {
    Ok(docker_context_file_in(&docker_config_dir()?, name))
}

/// The configuration file of docker's clients, in which they keep credentials.
pub fn docker_config_file() -> Result<PathBuf> {
    Ok(docker_config_dir()?.join("config.json"))
}

fn docker_config_dir() -> Result<PathBuf> {
    Ok(match env::var_os("DOCKER_CONFIG").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => directories::BaseDirs::new().ok_or(Error::NoHome)?.home_dir().join(".docker"),
    })
}

/// What starts the window at login, where that is a file; Windows keeps a value in its registry.
pub fn login_entry() -> Option<PathBuf> {
    let folders = directories::BaseDirs::new()?;
    match std::env::consts::OS {
        "linux" => Some(folders.config_dir().join("autostart").join("Berth.desktop")),
        "macos" => Some(folders.home_dir().join("Library/LaunchAgents/Berth.plist")),
        _ => None,
    }
}

/// As [`docker_context_file`], in a configuration folder that is given.
pub fn docker_context_file_in(docker_config: &Path, name: &str) -> PathBuf {
    docker_config.join("contexts").join("meta").join(hex(&Sha256::digest(name.as_bytes()))).join("meta.json")
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `runtime`, or its short stand-in when sockets below it would have a name of no use.
fn fitting(runtime: PathBuf) -> PathBuf {
    if fits(&runtime) { runtime } else { short_runtime(&runtime) }
}

/// Whether sockets below `runtime` have names that everybody takes.
fn fits(runtime: &Path) -> bool {
    let name = runtime.as_os_str();
    name.len() + SOCKET_NAME_MAX <= SOCKET_PATH_MAX && !name.as_encoded_bytes().contains(&b',')
}

/// A folder of a short name that only `long` maps to: in the user's runtime folder if that is short enough, else in the
/// shared temporary folder, where its owner is checked when it is made.
fn short_runtime(long: &Path) -> PathBuf {
    let digest = Sha256::digest(long.as_os_str().as_encoded_bytes());
    let name = format!("berth-{}", &hex(&digest)[..12]);
    let user = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    match user.map(|dir| dir.join(&name)) {
        Some(dir) if fits(&dir) => dir,
        _ => sys::shared_temp_dir().join(name),
    }
}

/// The user's home folder, if there is one.
pub fn home() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned())
}

/// The user's own cache, whatever `BERTH_HOME` says.
fn user_cache() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "berth").map(|user| user.cache_dir().to_path_buf())
}

fn create_dir_all(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(Error::file("create the folder", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_long_home_gets_a_short_runtime_folder_of_its_own() {
        let long = PathBuf::from("/home/somebody").join("x".repeat(120));
        let one = Paths::below(&long).unwrap();
        let other = Paths::below(&long.join("y")).unwrap();
        assert!(one.runtime_dir().as_os_str().len() + SOCKET_NAME_MAX <= SOCKET_PATH_MAX, "{one:?}");
        assert_ne!(one.runtime_dir(), other.runtime_dir());
        assert_eq!(one, Paths::below(&long).unwrap());
        assert!(one.data_disk().starts_with(&long));
    }

    #[test]
    fn a_machine_with_a_name_has_folders_of_its_own_and_the_default_one_keeps_its() {
        // On Windows of the present drive.
        let home = std::path::absolute("/tmp/b").unwrap();
        let default = Paths::below(&home).unwrap();
        let other = default.of_machine(Name::of("work").unwrap());
        assert_eq!(other.data_disk().with_extension(""), home.join("data/machines/work/machine/disk"));
        assert_eq!(other.settings(), home.join("config/machines/work/settings.toml"));
        assert!(cfg!(windows) || other.engine_socket() == home.join("run/machines/work/engine.sock"));
        assert_eq!((other.cache_dir(), other.image_candidates()), (default.cache_dir(), default.image_candidates()));
        assert_eq!(other.of_machine(None), default);
        for own in ["config", "data", "cache", "run"].map(|name| home.join(name)) {
            assert!(other.own_folders().contains(&own) && default.own_folders().contains(&own), "{own:?}");
        }
        assert_eq!(other.of_machine(Name::of("play").unwrap()), default.of_machine(Name::of("play").unwrap()));
        let long = Paths::below(&PathBuf::from("/home").join("x".repeat(60))).unwrap();
        let runtimes = ["a", "b"].map(|name| long.of_machine(Name::of(name).unwrap()).runtime_dir().to_path_buf());
        assert!(fits(&runtimes[0]) && runtimes[0] != runtimes[1], "{runtimes:?}");
    }

    #[test]
    fn what_is_about_the_window_is_of_no_machine() {
        let home = std::path::absolute("/tmp/b").unwrap();
        let default = Paths::below(&home).unwrap();
        let other = default.of_machine(Name::of("work").unwrap());
        assert_eq!(other.window_preferences(), home.join("config/window.toml"));
        assert_eq!(other.window_log(), home.join("data/log/window.log"));
        assert_eq!(
            (default.window_preferences(), default.window_log()),
            (other.window_preferences(), other.window_log())
        );
    }

    #[cfg(unix)]
    #[test]
    fn sockets_are_below_no_folder_with_a_comma() {
        let paths = Paths::below(Path::new("/tmp/a,b")).unwrap();
        assert!(!paths.vsock_socket().to_str().unwrap().contains(','), "{paths:?}");
        assert!(paths.data_disk().starts_with("/tmp/a,b"));
    }

    #[cfg(unix)]
    #[test]
    fn a_short_home_keeps_its_sockets() {
        let paths = Paths::below(Path::new("/tmp/b")).unwrap();
        assert_eq!(paths.engine_socket(), Path::new("/tmp/b/run/engine.sock"));
    }

    #[test]
    fn the_docker_context_folder_is_the_hash_of_the_name() {
        let file = docker_context_file_in(Path::new("/d"), "berth");
        let folder = file.parent().unwrap().file_name().unwrap().to_str().unwrap();
        assert_eq!(folder.len(), 64);
        assert_eq!(file.file_name().unwrap(), "meta.json");
    }

    #[test]
    fn a_living_daemon_s_sockets_are_found_from_another_session() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path()).unwrap();
        paths.create().unwrap();
        let theirs = Paths { runtime: dir.path().join("other session"), ..paths.clone() };
        Whereabouts::note(&theirs).unwrap();
        let found = paths.of_living_daemon();
        assert_eq!((found.engine_socket(), found.runtime_dir()), (theirs.engine_socket(), theirs.runtime_dir()));
        assert_eq!(found.own(), paths);

        let mut dead = Whereabouts::of_living(&paths).unwrap();
        dead.process.started = "before the last boot".to_owned();
        std::fs::write(paths.daemon_whereabouts(), serde_json::to_vec(&dead).unwrap()).unwrap();
        assert_eq!(paths.of_living_daemon(), paths);
    }
}
