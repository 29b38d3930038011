//! The one error type of this crate. Every message says what was wrong and, where there is one, the way out.

use std::io;
use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong on the host. `Display` gives the whole line that a user reads, without the cause;
/// [`Error::chain`] adds the causes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} belongs to another user: remove it, or set XDG_RUNTIME_DIR to a folder of your own")]
    ForeignDirectory { path: PathBuf },
    #[error(
        "`{name}` is no name of a machine: up to 24 small letters, digits and `-`, with a letter first and no `-` at the end"
    )]
    MachineName { name: String },
    #[error(
        "there is no machine `{name}`: `berth machine list` shows them all, `berth machine create {name}` makes it"
    )]
    NoMachine { name: String },
    #[error("there is a machine `{name}` already: `berth machine rm {name}` removes it with all that is in it")]
    MachineExists { name: String },
    #[error(
        "{path} is left of an earlier machine `{name}`, with what was on its disk: remove it or move it away, or choose another name"
    )]
    MachineLeft { name: String, path: PathBuf },
    #[error("the machine {name} is not stopped: run `berth --machine {name} down` first")]
    MachineRuns { name: String },
    #[error("there is nothing to copy: the machine has no disk yet, which its first start makes ({path})")]
    NoDisk { path: PathBuf },
    #[error("{path} is no machine that can be imported: {reason}")]
    NoArchive { path: PathBuf, reason: String },
    #[error("`{name}` is no name of a snapshot: use up to 24 small letters, digits and `-`, a letter first")]
    SnapshotName { name: String },
    #[error("there is a snapshot `{name}` already: `berth snapshot rm {name}` removes it")]
    SnapshotExists { name: String },
    #[error("there is no snapshot `{name}`: `berth snapshot list` shows those that are there")]
    NoSnapshot { name: String },
    #[error("the default machine cannot be removed: `berth reset` empties it")]
    DefaultMachine,
    #[error("no home folder is known: set HOME, or BERTH_HOME")]
    NoHome,

    #[error(
        "{path} is in use by another program, so `docker` without a context does not lead here: stop that program, or run `berth config set var_run_docker_sock false`"
    )]
    ForeignSocket { path: PathBuf },
    #[error("there is no setting `{name}`: `berth config list` shows them all")]
    UnknownSetting { name: String },
    #[error("there are no certificates in {folder}: make them with `berth tls create`")]
    NoCertificates { folder: PathBuf },
    #[error(
        "{path} is there, and with a new authority every client would need new files: `berth tls renew` keeps it, `berth tls create --force` replaces it"
    )]
    CertificatesExist { path: PathBuf },
    #[error("the certificates in {folder} could not be looked at within {seconds} s: is that folder's disk there?")]
    LateCertificates { folder: PathBuf, seconds: u64 },
    #[error("{path} cannot be used: {reason}; {remedy}")]
    BadCertificate { path: PathBuf, reason: String, remedy: String },
    #[error(
        "{path} can be read by other users of this computer, so nothing is served with it: run `chmod {mode} {path}`, and if somebody may have read it `berth tls create --force`"
    )]
    OpenKey { path: PathBuf, mode: &'static str },
    #[error(
        "`{name}` is no name of a server: it must be a host's name such as box.example or *.example, or an address"
    )]
    ServerName { name: String },
    #[error(
        "`{name}` is no name for a client: up to 64 letters, digits, `.`, `_` and `-`, and no `.` at the beginning"
    )]
    ClientName { name: String },
    #[error("the client {name} has its files in {folder}: `berth tls client {name} --force` makes new ones")]
    ClientExists { name: String, folder: PathBuf },
    #[error(
        "cannot listen at {address}, where the setting `listen` wants the engine: `berth up` tries again, `berth config set listen` takes other addresses"
    )]
    Listen {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "{path} is locked by {}, which did not let go of it within {seconds} s: end that program or let it go on, then try again",
        .pid.map_or_else(|| "another program".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked { path: PathBuf, pid: Option<u32>, seconds: u64 },
    #[error("bad value `{value}` for {name}: {expected}")]
    BadSetting { name: &'static str, value: String, expected: String },
    #[error("{path} is not readable as settings: {reason}; correct the line or remove the file")]
    BadSettingsFile { path: PathBuf, reason: String },
    #[error("{path} was written by a newer berth or is damaged: {reason}; remove it and start again")]
    BadStateFile { path: PathBuf, reason: String },

    #[error("QEMU was not found ({looked_for}): {remedy}")]
    NoQemu { looked_for: String, remedy: &'static str },
    #[error("QEMU {found} is too old, {needed} or newer is needed: {remedy}")]
    OldQemu { found: String, needed: &'static str, remedy: &'static str },
    #[error("{path} does not say its version as QEMU does: check the setting `qemu`")]
    NotQemu { path: PathBuf },
    #[error(
        "vhost-device-vsock was not found: run `cargo install vhost-device-vsock`, or `berth config set link serial`"
    )]
    NoVsockDevice,
    #[error("the vsock device (vhost-device-vsock) does not work: {reason}")]
    VsockDevice { reason: String },
    #[error("the link `{link}` cannot be used on this system: run `berth config set link auto`")]
    UnsupportedLink { link: &'static str },
    #[error("the accelerator `{accelerator}` cannot be used on this system: run `berth config set accelerator auto`")]
    UnsupportedAccelerator { accelerator: crate::settings::Accelerator },
    #[error(transparent)]
    HyperV(#[from] crate::driver::hyperv::failure::HyperVError),
    #[cfg(unix)]
    #[error(transparent)]
    Vz(#[from] crate::driver::vz::failure::VzError),
    #[error("cannot start {program} (is it installed and executable? `berth diagnose` looks)")]
    Spawn {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("QEMU ended at once ({status}): {message}; run `berth diagnose`, which checks what it needs")]
    QemuDied { status: String, message: String },
    #[error("QEMU does not answer on its control socket (`berth down`, then `berth up`, start it anew)")]
    Qmp {
        #[source]
        source: io::Error,
    },

    #[error("no guest image was found in {}: {remedy}", looked_in.display())]
    NoImage { looked_in: PathBuf, remedy: &'static str },
    #[error(
        "the guest image {version} has no drivers for the devices of {hypervisor}, so no machine can be started with it on this system: another version of berth may bring one that has them"
    )]
    ImageDevices { version: String, hypervisor: String },
    #[error(
        "the guest image is for {guest}, which the hypervisor of this computer ({host}) does not emulate: install the berth that is made for this computer, or name another image in BERTH_IMAGE_DIR"
    )]
    ForeignImage { guest: crate::architecture::Architecture, host: crate::architecture::Architecture },
    #[error("the guest image is corrupted: {artefact} {reason}; {remedy}")]
    CorruptImage { artefact: String, reason: String, remedy: &'static str },
    #[error("the guest image has format {found}, this berth reads {known}: {remedy}")]
    ImageVersion { found: u32, known: u32, remedy: &'static str },

    #[error(
        "not enough room on the disk of {path}: {available_mib} MiB are free, {needed_mib} MiB are needed; free some room, or set BERTH_HOME to another disk"
    )]
    NoRoom { path: PathBuf, needed_mib: u64, available_mib: u64 },
    #[error(
        "the data disk has {current_gib} GiB and cannot shrink to {wanted_gib} GiB: run `berth config set disk_gib {current_gib}`, or `berth reset` to begin with an empty disk"
    )]
    DiskShrink { current_gib: u64, wanted_gib: u64 },
    #[error("the data disk {path} is in use by another program: end it (`fuser {path}` names it), then run `berth up`")]
    DiskInUse { path: PathBuf },
    #[error("the data disk cannot grow now: {reason}; the next start does it")]
    DiskGrowsLater { reason: String },
    #[error("{path} is not a disk of Berth: {reason}; move it away, or run `berth reset`")]
    BadDisk { path: PathBuf, reason: String },

    #[error(
        "another berth daemon (process {pid}) is running already, in {place}: end it with `berth machine quit`, or use it"
    )]
    SecondDaemon { pid: String, place: PathBuf },
    #[error("containers have {open} files or folders open in shared folders, which the daemon serves")]
    FilesOpen { open: usize },
    #[error(
        "the berth daemon (process {pid}) runs, but its sockets in {runtime} are gone, perhaps with the login session that it was started in: run `kill {pid}` and try again; the machine goes on meanwhile"
    )]
    DaemonUnreachable { pid: u32, runtime: PathBuf },
    #[error("the daemon did not come up within {seconds} s: see {log}")]
    DaemonSilent { seconds: u64, log: PathBuf },
    #[error("its daemon does not answer within {seconds} s: it may hang")]
    NoAnswer { seconds: u64 },
    #[error("the berth daemon is not running: `berth up` starts it")]
    NoDaemon,
    #[error("{message}")]
    Daemon { message: String },
    #[error(
        "the daemon's answer cannot be understood: {reason}; is it of another version? run `berth down` and try again"
    )]
    BadAnswer { reason: String },

    #[error("{failure}")]
    Start { failure: crate::machine::Failure },
    #[error("the machine is {state}: {remedy}")]
    WrongState { state: &'static str, remedy: &'static str },
    #[error("this berth does not look for updates: {reason}")]
    NoUpdates { reason: &'static str },
    #[error(transparent)]
    Fetch(#[from] crate::updates::FetchError),
    #[error(transparent)]
    Manifest(#[from] crate::updates::ManifestError),
    #[error(transparent)]
    Link(#[from] crate::link::LinkError),
    #[error(
        "the guest was still {work} after {minutes} minutes: `berth machine logs` shows how far it came; a longer `boot_deadline` gives it more time"
    )]
    LongWork { work: &'static str, minutes: u64 },
    #[error("{what} within {seconds:.1} s")]
    Overdue { what: &'static str, seconds: f64 },
    #[error("the engine refused: {message}")]
    Engine { message: String },
    #[error(
        "the docker context `{name}` in {path} was made by somebody else: remove it with `docker context rm {name}`, or run `berth config set docker_context false`"
    )]
    ForeignContext { name: String, path: PathBuf },
    #[error("cannot change the folders in which this user's programs are looked for (PATH)")]
    UserPath { source: io::Error },
}

impl Error {
    /// The message and its causes in one line, as a user reads them.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        let mut full = false;
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            full |= error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
            cause = error.source();
        }
        if full {
            text.push_str("; free some room on that disk, or set BERTH_HOME to another one");
        }
        text
    }

    /// For `map_err` on file operations: `.map_err(Error::file("read", &path))`.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::File { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_a_way_out() {
        let error = Error::file("write", "/f")(io::ErrorKind::StorageFull.into()).chain();
        assert!(error.ends_with("; free some room on that disk, or set BERTH_HOME to another one"), "{error}");
        let other = Error::file("write", "/f")(io::ErrorKind::NotFound.into()).chain();
        assert!(!other.contains("free some room"), "{other}");
    }

    #[test]
    fn what_cannot_be_reached_or_started_says_what_to_do() {
        let source = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for error in [
            Error::QemuDied { status: "exit status: 1".to_owned(), message: "no".to_owned() },
            Error::Qmp { source: source() },
            Error::Spawn { program: "/qemu".into(), source: source() },
            Error::Link(crate::link::LinkError::Unreachable { last: None }),
            Error::Link(crate::link::LinkError::Down),
            Error::Link(crate::link::LinkError::NoAnswer),
        ] {
            assert!(error.chain().contains("`berth ") || error.chain().contains("try again"), "{}", error.chain());
        }
    }
}
