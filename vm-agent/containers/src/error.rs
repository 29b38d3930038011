//! Everything that can go wrong with containers, worded as dockerd words it where clients read the words.

use crate::logs::{InvalidLogOption, InvalidTime};
use crate::restart::InvalidPolicy;
use crate::signal::InvalidSignal;
use crate::state::Refused;
use std::io;
use std::path::PathBuf;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an error; `api` maps each to one status (404, 409, 400, 304, 403, 501, 500).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    NotFound,
    Conflict,
    Invalid,
    NotModified,
    Forbidden,
    /// What was asked for cannot be done with this container's settings.
    NotImplemented,
    System,
}

/// Why a request about a container failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    #[error("No such image: {0}")]
    NoSuchImage(String),
    #[error("Could not find the file {path} in container {container}")]
    NoSuchPath { path: String, container: String },
    /// In a path of a container; no file can have such a name.
    #[error("lstat {path}: invalid argument")]
    ZeroByte { path: String },
    /// A part of a path that must be a directory is none.
    #[error("lstat {path}: not a directory")]
    BelowFile { path: String },
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) \
         that container to be able to reuse that name."
    )]
    NameTaken { name: String, id: String },
    #[error("Error when allocating new name: {0}")]
    Rename(Box<Error>),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Refused(Refused),
    #[error("cannot kill container: {name}: container {id} is not running")]
    KillNotRunning { name: String, id: String },
    #[error("container {0} is not running")]
    NotRunning(String),
    #[error("Container {0} is already paused")]
    AlreadyPaused(String),
    #[error("Container {0} is not paused")]
    NotPaused(String),
    #[error("Container {0} is paused, unpause the container before exec")]
    ExecPaused(String),
    #[error("Container {0} is restarting, wait until the container is running")]
    Restarting(String),
    #[error("container {0} is paused, unpause the container before attach")]
    AttachPaused(String),
    #[error("container {0} is restarting, wait until the container is running")]
    AttachRestarting(String),
    #[error("cannot remove container \"{name}\": {refused}")]
    Remove { name: String, refused: Refused },
    #[error("removal of container {0} is already in progress")]
    RemovalInProgress(String),
    #[error("You cannot commit container {0} which is being removed")]
    CommitRemoving(String),
    #[error("exec command {0} has already run")]
    ExecHasRun(String),
    #[error("exec command {0} is already running")]
    ExecRunning(String),
    #[error("configured logging driver does not support reading")]
    LogsNotReadable,
    #[error("can not get logs from container which is dead or marked for removal")]
    LogsOfDead,
    #[error("container rootfs is marked read-only")]
    ReadOnlyRoot,
    #[error("mounted volume is marked read-only")]
    ReadOnlyVolume,
    #[error("extraction point is not a directory")]
    NotADirectory,
    /// A start that failed for the container's own reasons: a command that cannot be executed, a bad mount.
    #[error("{message}")]
    StartConfig { message: String, exit_code: i32 },
    /// A start that failed for other reasons.
    #[error("{message}")]
    Start { message: String, exit_code: i32 },
    #[error("failed to set up container networking: {0}")]
    Networking(#[source] network::Error),
    #[error("failed to set up container networking: {0}")]
    NetworkingLink(#[source] Invalid),
    #[error(transparent)]
    Network(#[from] network::Error),
    #[error(transparent)]
    Image(#[from] images::Error),
    #[error(transparent)]
    Layer(#[from] layers::Error),
    #[error(transparent)]
    Volume(#[from] volumes::Error),
    #[error(transparent)]
    Folder(#[from] folders::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    #[error(transparent)]
    Supervisor(supervisor::Error),
    /// A block device with a limit.
    #[error("stat {path}: {reason}")]
    NoDevice { path: String, reason: String },
    #[error("error while creating mount source path '{path}': mkdir {missing}: {reason}")]
    BindSource { path: PathBuf, missing: PathBuf, reason: String },
    #[error("cannot {what} {path}: {source}")]
    Path { what: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot {what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("cannot stop container: {name}: {cause}")]
    Stop { name: String, cause: Box<Error> },
    #[error("Cannot restart container {name}: {cause}")]
    Restart { name: String, cause: Box<Error> },
    #[error("joining network namespace of container: {0}")]
    JoinNetwork(Box<Error>),
    #[error("cannot join network namespace of a non running container: container {name} is {state}")]
    JoinEnded { name: String, state: &'static str },
    /// A part of a volume.
    #[error("cannot access path {path}: {reason}")]
    Subpath { path: PathBuf, reason: String },
    /// One that a link leads out of.
    #[error("path concatenation escapes the base directory, base: {base}, subpath: {subpath}")]
    SubpathOutside { base: PathBuf, subpath: String },
    #[error("error while resolving symlinks in combined path {path:?}: {reason}")]
    SubpathLinks { path: PathBuf, reason: String },
    #[error("tried to kill container, but did not receive an exit event")]
    KillTimeout,
    #[error("Cannot update container {id}: {cause}")]
    Update { id: String, cause: Box<Error> },
    #[error("{0}")]
    UpdateConflict(&'static str),
    #[error("timeout waiting for exec session ready")]
    ExecNotReady,
    #[error("a prune operation is already running")]
    PruneRunning,
    #[error("the engine is stopping")]
    Stopping,
    #[error("Cannot link to a non running container: /{child} AS {link}")]
    LinkNotRunning { child: String, link: String },
    #[error("container {0} not attached to default bridge network")]
    LinkElsewhere(String),
    #[error("Conflict, cannot remove the default link name of the container")]
    DefaultName,
    #[error("Cannot get parent {parent} for link name {link}")]
    LinkParent { parent: String, link: String },
    #[error("cannot mount volume over existing file, file exists {0}")]
    VolumeOverFile(String),
}

/// A request that can never be served as it is.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    #[error("Invalid container name ({0}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    Name(String),
    #[error("Neither old nor new names may be empty")]
    EmptyName,
    #[error("Renaming a container with the same name as its current name")]
    SameName,
    #[error("no command specified")]
    NoCommand,
    #[error("No exec command specified")]
    NoExecCommand,
    #[error(transparent)]
    RestartPolicy(#[from] InvalidPolicy),
    #[error("can't create 'AutoRemove' container with restart policy")]
    AutoRemoveWithPolicy,
    #[error(transparent)]
    Change(#[from] crate::changes::InvalidChange),
    #[error(transparent)]
    Signal(#[from] InvalidSignal),
    #[error(transparent)]
    Log(#[from] InvalidLogOption),
    #[error(transparent)]
    Time(#[from] InvalidTime),
    #[error(transparent)]
    Filter(#[from] engine_api::filters::FilterError),
    #[error("invalid filter '{name}={value}': {reason}")]
    ListFilter { name: &'static str, value: String, reason: String },
    #[error("{}", match reason {
        None => format!("filter for '{name}' should not contain ':': {value}"),
        Some(reason) => format!("error while looking up for {name} {value}: {reason}"),
    })]
    PortFilter { name: &'static str, value: String, reason: Option<String> },
    #[error("more than one until filter specified")]
    SeveralUntil,
    #[error("failed to parse value as time or duration: \"{0}\"")]
    Until(String),
    #[error("{0}")]
    ExecUser(String),
    /// Of files that are to be the container's user's.
    #[error("{0}")]
    Owner(String),
    #[error("invalid condition: \"{0}\"")]
    WaitCondition(String),
    #[error("You must choose at least one stream")]
    NoStream,
    #[error("Invalid detach keys ({0}) provided")]
    AttachKeys(String),
    #[error("Invalid escape keys ({0}) provided")]
    DetachKeys(String),
    #[error("invalid environment variable: {0}")]
    Env(String),
    #[error("the working directory '{0}' is invalid, it needs to be an absolute path")]
    WorkingDir(String),
    #[error("{field} in Healthcheck cannot be less than 1ms")]
    HealthDuration { field: &'static str },
    #[error("Retries in Healthcheck cannot be negative")]
    HealthRetries,
    #[error("invalid port specification: \"{0}\"")]
    Port(String),
    #[error("invalid volume specification: '{0}'")]
    VolumeSpec(String),
    #[error("invalid mode: {0}")]
    VolumeMode(String),
    /// What is wrong with a `-v`.
    #[error(transparent)]
    Bind(Box<Invalid>),
    #[error("invalid volume specification: '{bind}': {reason}")]
    BindMount { bind: String, reason: Box<Invalid> },
    #[error("volumes-from specification cannot be an empty string")]
    EmptyVolumesFrom,
    #[error("invalid network mode: invalid container format container:<name|id>")]
    NetworkContainer,
    #[error("invalid option: QoS maximum {0} configuration is not supported on linux")]
    Qos(&'static str),
    #[error("invalid Annotations: the empty string is not permitted as an annotation key")]
    EmptyAnnotation,
    #[error("invalid mount path: '{0}' mount path must be absolute")]
    MountPath(String),
    #[error("invalid specification: destination can't be '/'")]
    MountRoot,
    #[error("Duplicate mount point: {0}")]
    DuplicateMount(String),
    #[error("invalid mount config for type \"{kind}\": {reason}")]
    Mount { kind: String, reason: String },
    /// A folder of the user's own computer that the machine may not have, in the computer's words.
    #[error("{0}")]
    NotShared(String),
    #[error(
        "invalid mount config: must use either propagation mode \"rslave\" or \"rshared\" when mount source is within the \
         daemon root, daemon root: {root:?}, bind mount source: {bind:?}, propagation: {propagation:?}"
    )]
    Propagation { root: PathBuf, bind: PathBuf, propagation: String },
    #[error("invalid tmpfs option \"{0}\"")]
    Tmpfs(String),
    #[error("{0}")]
    Resources(#[from] crate::create::resources::InvalidResources),
    #[error("invalid {mode} mode: {value}")]
    Mode { mode: &'static str, value: String },
    #[error("SHM size can not be less than 0")]
    ShmSize,
    #[error("Invalid value {0}, range for oom score adj is [-1000, 1000]")]
    OomScore(i64),
    #[error("invalid {list}: unknown capability: \"{name}\"")]
    Capability { list: &'static str, name: String },
    #[error("invalid --security-opt {kind}: \"{option}\"")]
    SecurityOption { kind: u8, option: String },
    #[error("Decoding seccomp profile failed: {0}")]
    Seccomp(String),
    #[error("error gathering device information while adding custom device \"{path}\": {reason}")]
    Device { path: String, reason: String },
    #[error("invalid device cgroup rule format: '{0}'")]
    DeviceRule(String),
    #[error("could not select device driver \"{driver}\" with capabilities: {capabilities}")]
    DeviceRequest { driver: String, capabilities: String },
    #[error("CDI device injection failed: unresolvable CDI devices {0}")]
    CdiDevice(String),
    #[error("--storage-opt is supported only for overlay over xfs with 'pquota' mount option")]
    StorageOption,
    #[error("invalid isolation ({0}): linux only supports 'default'")]
    Isolation(String),
    #[error("bad format for add-host: \"{0}\"")]
    ExtraHost(String),
    #[error("invalid IP address in add-host: \"{0}\"")]
    ExtraHostAddress(String),
    #[error("bad nameserver address {0}: ParseAddr(\"{0}\"): unable to parse IP")]
    Dns(String),
    #[error("unknown or invalid runtime name: {0}")]
    RuntimeName(String),
    #[error("conflicting options: {0}")]
    Conflict(&'static str),
    #[error("empty string specified for links")]
    EmptyLink,
    #[error("bad format for links: {0}")]
    Link(String),
    #[error("could not get container for {name}: {reason}")]
    LinkTarget { name: String, reason: String },
    #[error("invalid config for network {network}: {reason}")]
    Endpoint { network: String, reason: Box<network::Error> },
    #[error("invalid config for network {0}: EndpointsConfig is nil")]
    NoEndpointSettings(String),
    #[error("network {0} cannot be joined by a container with NetworkDisabled: leave out one of the two")]
    DisabledNetwork(String),
    #[error("container {0} was created without networking and cannot be connected to any network")]
    NetworkDisabled(String),
    #[error("ps: {0}")]
    PsArguments(String),
    #[error("cannot overwrite {} {name:?} with {} {folder:?}", if *directory { "directory" } else { "non-directory" },
        if *directory { "non-directory" } else { "directory" })]
    Overwrite { name: String, folder: String, directory: bool },
    #[error("invalid entry name {0:?}")]
    EntryName(String),
    #[error("invalid hardlink target {0:?}")]
    HardLinkTarget(String),
    /// A link on the way to an entry of an archive; in dockerd's words, which are Go's.
    #[error("statat {0}: path escapes from parent")]
    LeadsOut(String),
    /// Another container that the request needs. Not 404: that would make clients pull the image again.
    #[error("No such container: {0}")]
    OtherContainer(String),
    #[error("the image's configuration cannot be read: {0}")]
    ImageConfig(String),
}

impl Invalid {
    /// What a container in the host's own network conflicts with, on either end of a link.
    pub(crate) const HOST_LINKS: &'static str =
        "host type networking can't be used with links. This would result in undefined behavior";
}

impl Error {
    /// The class that decides the HTTP status.
    pub fn kind(&self) -> Kind {
        match self {
            Error::NoSuchContainer(_) | Error::NoSuchExec(_) | Error::NoSuchImage(_) | Error::NoSuchPath { .. } => {
                Kind::NotFound
            }
            // As dockerd, which finds out about these only after it has begun.
            Error::Invalid(
                Invalid::SecurityOption { .. }
                | Invalid::Bind(_)
                | Invalid::BindMount { .. }
                | Invalid::StorageOption
                | Invalid::EmptyLink
                | Invalid::Link(_)
                | Invalid::PortFilter { .. }
                | Invalid::Overwrite { .. }
                | Invalid::EntryName(_)
                | Invalid::HardLinkTarget(_)
                | Invalid::LeadsOut(_),
            ) => Kind::System,
            // Found out by the start.
            Error::Invalid(
                Invalid::Device { .. }
                | Invalid::DeviceRule(_)
                | Invalid::DeviceRequest { .. }
                | Invalid::CdiDevice(_)
                | Invalid::Dns(_),
            ) => Kind::System,
            Error::Ambiguous(_)
            | Error::Invalid(_)
            | Error::StartConfig { .. }
            | Error::NotADirectory
            | Error::ReadOnlyRoot
            | Error::ReadOnlyVolume => Kind::Invalid,
            Error::NameTaken { .. }
            | Error::KillNotRunning { .. }
            | Error::NotRunning(_)
            | Error::AlreadyPaused(_)
            | Error::JoinEnded { .. }
            | Error::ExecPaused(_)
            | Error::Restarting(_)
            | Error::AttachPaused(_)
            | Error::AttachRestarting(_)
            | Error::Remove { .. }
            | Error::RemovalInProgress(_)
            | Error::CommitRemoving(_)
            | Error::ExecHasRun(_)
            | Error::ExecRunning(_)
            | Error::LogsOfDead
            | Error::PruneRunning => Kind::Conflict,
            Error::UpdateConflict(_) => Kind::Conflict,
            Error::Rename(cause) | Error::Update { cause, .. } => cause.kind(),
            Error::Refused(Refused::AlreadyRunning | Refused::AlreadyStopped) => Kind::NotModified,
            Error::Refused(_) => Kind::Conflict,
            Error::LogsNotReadable => Kind::NotImplemented,
            Error::NotPaused(_)
            | Error::Start { .. }
            | Error::Layer(_)
            | Error::Store(_)
            | Error::Runtime(_)
            | Error::Supervisor(_)
            | Error::NoDevice { .. }
            | Error::BindSource { .. }
            | Error::ZeroByte { .. }
            | Error::BelowFile { .. }
            | Error::Path { .. }
            | Error::Io { .. }
            | Error::KillTimeout
            | Error::Stop { .. }
            | Error::Restart { .. }
            | Error::JoinNetwork(_)
            | Error::Subpath { .. }
            | Error::SubpathOutside { .. }
            | Error::SubpathLinks { .. }
            | Error::ExecNotReady
            | Error::NetworkingLink(_)
            | Error::LinkNotRunning { .. }
            | Error::LinkElsewhere(_)
            | Error::DefaultName
            | Error::LinkParent { .. }
            | Error::VolumeOverFile(_)
            | Error::Stopping => Kind::System,
            Error::Networking(cause) | Error::Network(cause) => network_kind(cause),
            Error::Image(cause) => image_kind(cause),
            Error::Volume(cause) => volume_kind(cause),
            Error::Folder(cause) => folder_kind(cause),
        }
    }
}

/// A container request that ended in the network crate.
fn network_kind(error: &network::Error) -> Kind {
    match error.kind() {
        network::Kind::NotFound => Kind::NotFound,
        network::Kind::Invalid => Kind::Invalid,
        network::Kind::Conflict => Kind::Conflict,
        network::Kind::Forbidden => Kind::Forbidden,
        network::Kind::Unavailable | network::Kind::System => Kind::System,
    }
}

fn image_kind(error: &images::Error) -> Kind {
    match error.kind() {
        images::Kind::NotFound => Kind::NotFound,
        images::Kind::Invalid => Kind::Invalid,
        images::Kind::Conflict => Kind::Conflict,
        _ => Kind::System,
    }
}

fn folder_kind(error: &folders::Error) -> Kind {
    match error {
        folders::Error::NotShared(_) | folders::Error::Missing(_) => Kind::Invalid,
        folders::Error::Failed(_) | folders::Error::Mount { .. } => Kind::System,
    }
}

fn volume_kind(error: &volumes::Error) -> Kind {
    match error {
        volumes::Error::NotFound(_) => Kind::NotFound,
        volumes::Error::NameTooShort(_)
        | volumes::Error::NameInvalid(_)
        | volumes::Error::InvalidOption { .. }
        | volumes::Error::MissingOption { .. }
        | volumes::Error::CifsPort { .. } => Kind::Invalid,
        volumes::Error::UnknownDriver { .. } => Kind::NotFound,
        volumes::Error::InUse { .. } | volumes::Error::PruneRunning => Kind::Conflict,
        volumes::Error::NoQuota { .. }
        | volumes::Error::Mount { .. }
        | volumes::Error::Fill(_)
        | volumes::Error::Io { .. }
        | volumes::Error::Store(_) => Kind::System,
    }
}

impl Error {
    pub(crate) fn path(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Path { what, path, source }
    }

    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { what, source }
    }
}
