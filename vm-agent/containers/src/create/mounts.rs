//! The mounts of a request: `-v`, `--mount`, `--tmpfs` and the image's volumes, parsed and checked. Pure.

use crate::{Invalid, Mode};
use engine_api::{Map, Mount};
use layers::OverlaySpec;
use std::path::{Component, Path};

/// A mount that is wanted; volumes are not made yet, paths not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) what: What,
    /// Absolute and clean.
    pub(crate) destination: String,
    /// As written behind the second colon.
    pub(crate) mode: String,
    pub(crate) rw: bool,
    /// Of binds; empty: the default of its source.
    pub(crate) propagation: String,
    pub(crate) recursive_read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// `must_exist`: refused when missing (`--mount`) instead of being made (`-v`).
    Bind {
        path: String,
        must_exist: bool,
        recursive: bool,
    },
    /// A path of the computer that the machine runs on.
    Share {
        path: String,
        must_exist: bool,
    },
    /// The engine's own socket, whatever it was called.
    EngineSocket,
    /// Without a name: anonymous.
    Volume {
        name: String,
        driver: String,
        options: Map,
        labels: Map,
        subpath: String,
        copy: bool,
    },
    Tmpfs {
        options: Vec<String>,
        hidden: bool,
    },
    Image {
        reference: String,
        subpath: String,
    },
    Overlay {
        overlay: OverlaySpec,
        subpath: String,
    },
}

/// Where the sources of binds lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) mode: Mode,
    /// What clients call the engine's own socket, besides what all of them do.
    pub(crate) engine_sockets: &'a [String],
}

/// What every client calls the engine's own socket.
const ENGINE_SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// What is the kernel's, which is the machine's: its modules (docs/guest-image.md), which Kubernetes' nodes, VPN and storage
/// containers bind, its devices, and what it tells of itself, which monitors bind. The host's would be of no use.
const KERNELS: [&str; 4] = ["/lib/modules", "/dev", "/proc", "/sys"];

const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];

/// One `-v`: `destination`, `source:destination` or `source:destination:mode`.
pub(crate) fn parse_bind(raw: &str, driver: &str, sources: Sources<'_>) -> Result<Wanted, Invalid> {
    let refused = || Invalid::VolumeSpec(raw.to_owned());
    let (source, destination, options) = split_bind(raw).ok_or_else(refused)?;
    let flags = parse_mode(options)?;
    let kind = if is_host_path(source) { "bind" } else { "volume" };
    let refuse = |reason: String| Invalid::Mount { kind: kind.to_owned(), reason };
    let wanted = Wanted {
        what: What::EngineSocket,
        destination: destination_of(destination).map_err(|error| refuse(error.to_string()))?,
        mode: options.to_owned(),
        rw: !flags.read_only,
        propagation: String::new(),
        recursive_read_only: false,
    };
    let misplaced = match kind {
        "bind" => flags.copy_given.then_some("VolumeOptions"),
        _ => flags.propagation.map(|_| "BindOptions"),
    };
    if let Some(field) = misplaced {
        return Err(refuse(format!("field {field} must not be specified")));
    }
    if is_host_path(source) {
        let bind = bind_source(source, false, true, sources);
        let propagation = flags.propagation.unwrap_or_default().to_owned();
        return Ok(Wanted { what: bind, propagation, recursive_read_only: flags.read_only, ..wanted });
    }
    let what = What::Volume {
        name: source.to_owned(),
        driver: driver.to_owned(),
        options: Map::new(),
        labels: Map::new(),
        subpath: String::new(),
        copy: !flags.no_copy,
    };
    Ok(Wanted { what, ..wanted })
}

/// What dockerd says of a `-v` that is wrong.
pub(crate) fn of_bind(raw: &str, error: Invalid) -> Invalid {
    match error {
        Invalid::Mount { .. } => Invalid::BindMount { bind: raw.to_owned(), reason: Box::new(error) },
        Invalid::VolumeSpec(_) | Invalid::VolumeMode(_) => Invalid::Bind(Box::new(error)),
        other => other,
    }
}

/// One `--mount`.
pub(crate) fn parse_mount(mount: &Mount, sources: Sources<'_>) -> Result<Wanted, Invalid> {
    let refuse = |reason: String| Invalid::Mount { kind: mount.kind.clone(), reason };
    let extra = |field: &str| refuse(format!("field {field} must not be specified"));
    if mount.target.is_empty() {
        return Err(refuse("field Target must not be empty".to_owned()));
    }
    let destination = destination_of(&mount.target).map_err(|error| refuse(error.to_string()))?;
    // `Consistency` may be anything, as with dockerd: here both sides of a mount always see the same.
    if mount.image_options.is_some() && matches!(mount.kind.as_str(), "bind" | "volume" | "tmpfs") {
        return Err(extra("ImageOptions"));
    }
    let mut wanted = Wanted {
        what: What::EngineSocket,
        destination,
        mode: String::new(),
        rw: !mount.read_only,
        propagation: String::new(),
        recursive_read_only: false,
    };
    match mount.kind.as_str() {
        "bind" => {
            if mount.source.is_empty() {
                return Err(refuse("field Source must not be empty".to_owned()));
            }
            if mount.volume_options.is_some() {
                return Err(extra("VolumeOptions"));
            }
            let options = mount.bind_options.clone().unwrap_or_default();
            if !options.propagation.is_empty() && !PROPAGATIONS.contains(&options.propagation.as_str()) {
                return Err(refuse(format!("invalid propagation mode: {}", options.propagation)));
            }
            if !is_host_path(&mount.source) {
                let error = Invalid::MountPath(mount.source.clone());
                return Err(refuse(error.to_string()));
            }
            wanted.propagation = options.propagation;
            wanted.recursive_read_only = mount.read_only && !options.read_only_non_recursive && !options.non_recursive;
            wanted.what = bind_source(&mount.source, !options.create_mountpoint, !options.non_recursive, sources);
        }
        "volume" => {
            if mount.bind_options.is_some() {
                return Err(extra("BindOptions"));
            }
            if mount.read_only && mount.source.is_empty() {
                return Err(refuse("must not set ReadOnly mode when using anonymous volumes".to_owned()));
            }
            let options = mount.volume_options.clone().unwrap_or_default();
            if !options.subpath.is_empty() {
                if mount.source.is_empty() {
                    return Err(refuse("must not set Subpath when using anonymous volumes".to_owned()));
                }
                local_subpath(&options.subpath)
                    .ok_or_else(|| refuse("subpath must be a relative path within the volume".to_owned()))?;
            }
            let driver = options.driver_config.unwrap_or_default();
            wanted.what = What::Volume {
                name: mount.source.clone(),
                driver: driver.name,
                options: driver.options.unwrap_or_default(),
                labels: options.labels.unwrap_or_default(),
                subpath: options.subpath,
                copy: !options.no_copy,
            };
        }
        "tmpfs" => {
            if mount.bind_options.is_some() {
                return Err(extra("BindOptions"));
            }
            if !mount.source.is_empty() {
                return Err(extra("Source"));
            }
            let options = mount.tmpfs_options.clone().unwrap_or_default();
            let mut words = Vec::new();
            if mount.read_only {
                words.push("ro".to_owned());
            }
            if options.mode != 0 {
                words.push(format!("mode={:o}", options.mode));
            }
            if options.size_bytes != 0 {
                words.push(format!("size={}", options.size_bytes));
            }
            for option in options.options.unwrap_or_default() {
                match option.as_slice() {
                    [word] if word == "exec" || word == "noexec" => words.push(word.clone()),
                    [word, ..] => return Err(refuse(format!("invalid option: {word}"))),
                    [] => return Err(refuse("invalid option array length".to_owned())),
                }
            }
            wanted.what = What::Tmpfs { options: words, hidden: false };
        }
        "image" => {
            if mount.bind_options.is_some() {
                return Err(extra("BindOptions"));
            }
            if mount.volume_options.is_some() {
                return Err(extra("VolumeOptions"));
            }
            if mount.source.is_empty() {
                return Err(refuse("field Source must not be empty".to_owned()));
            }
            let subpath = mount.image_options.clone().unwrap_or_default().subpath;
            if !subpath.is_empty() {
                local_subpath(&subpath)
                    .ok_or_else(|| refuse("subpath must be a relative path within the volume".to_owned()))?;
            }
            wanted.what = What::Image { reference: mount.source.clone(), subpath };
        }
        _ => return Err(refuse("mount type unknown".to_owned())),
    }
    Ok(wanted)
}

/// One `--tmpfs`: path and comma-separated options.
pub(crate) fn parse_tmpfs(path: &str, options: &str) -> Result<Wanted, Invalid> {
    const FLAGS: [&str; 19] = [
        "ro",
        "rw",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "exec",
        "noexec",
        "sync",
        "async",
        "dirsync",
        "atime",
        "noatime",
        "diratime",
        "nodiratime",
        "relatime",
        "norelatime",
        "strictatime",
        "nostrictatime",
    ];
    const KEYS: [&str; 7] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];
    let words: Vec<String> = options.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    for word in &words {
        let (key, known) = match word.split_once('=') {
            Some((key, _)) => (key, KEYS.contains(&key)),
            None => (word.as_str(), FLAGS.contains(&word.as_str()) || PROPAGATIONS.contains(&word.as_str())),
        };
        if !known {
            return Err(Invalid::Tmpfs(key.to_owned()));
        }
    }
    Ok(Wanted {
        rw: !words.iter().any(|word| word == "ro"),
        what: What::Tmpfs { options: words, hidden: true },
        destination: destination_of(path)?,
        mode: String::new(),
        propagation: String::new(),
        recursive_read_only: false,
    })
}

/// A `VOLUME` of the image, or a `-v` without a source.
pub(crate) fn anonymous(path: &str) -> Result<Wanted, Invalid> {
    // A Dockerfile's `VOLUME data` is beneath the root.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(Wanted {
        what: What::Volume {
            name: String::new(),
            driver: String::new(),
            options: Map::new(),
            labels: Map::new(),
            subpath: String::new(),
            copy: true,
        },
        destination: destination_of(&path)?,
        mode: String::new(),
        rw: true,
        propagation: String::new(),
        recursive_read_only: false,
    })
}

/// `id[:ro|rw]` of `--volumes-from`: (container, read-only).
pub(crate) fn parse_volumes_from(text: &str) -> Result<(&str, bool), Invalid> {
    if text.is_empty() {
        return Err(Invalid::EmptyVolumesFrom);
    }
    let (id, mode) = text.split_once(':').unwrap_or((text, "rw"));
    if id.is_empty() {
        return Err(Invalid::VolumeSpec(text.to_owned()));
    }
    let flags = parse_mode(mode)?;
    if flags.propagation.is_some() || flags.copy_given {
        return Err(Invalid::VolumeMode(mode.to_owned()));
    }
    Ok((id, flags.read_only))
}

#[derive(Debug, Default)]
struct Flags<'a> {
    read_only: bool,
    no_copy: bool,
    copy_given: bool,
    propagation: Option<&'a str>,
}

/// At most one word of each class: access, label, propagation, copy, consistency.
fn parse_mode(mode: &str) -> Result<Flags<'_>, Invalid> {
    let mut flags = Flags::default();
    let mut seen = [false; 5];
    for word in mode.split(',').filter(|_| !mode.is_empty()) {
        let class = match word {
            "ro" | "rw" => {
                flags.read_only = word == "ro";
                0
            }
            "z" | "Z" => 1,
            "nocopy" => {
                flags.no_copy = true;
                flags.copy_given = true;
                2
            }
            "consistent" | "cached" | "delegated" => 3,
            word if PROPAGATIONS.contains(&word) => {
                flags.propagation = Some(word);
                4
            }
            _ => return Err(Invalid::VolumeMode(mode.to_owned())),
        };
        if std::mem::replace(&mut seen[class], true) {
            return Err(Invalid::VolumeMode(mode.to_owned()));
        }
    }
    Ok(flags)
}

/// (source, destination, mode); the source may be a Windows path with a colon of its own.
fn split_bind(raw: &str) -> Option<(&str, &str, &str)> {
    let drive = raw.len() > 2
        && raw.as_bytes()[0].is_ascii_alphabetic()
        && raw.as_bytes()[1] == b':'
        && matches!(raw.as_bytes()[2], b'\\' | b'/')
        && raw[2..].contains(':');
    let source_end = if drive { 2 + raw[2..].find(':')? } else { raw.find(':').unwrap_or(raw.len()) };
    let source = &raw[..source_end];
    if source.is_empty() {
        return None;
    }
    let Some(rest) = raw.get(source_end + 1..) else { return Some(("", source, "")) };
    match rest.split(':').collect::<Vec<_>>().as_slice() {
        [destination] if !destination.is_empty() && parse_mode(destination).is_err() => Some((source, destination, "")),
        [destination, mode] if !destination.is_empty() => Some((source, destination, mode)),
        _ => None,
    }
}

fn is_host_path(source: &str) -> bool {
    source.starts_with('/')
        || source.starts_with('\\')
        || (source.len() > 2 && source.as_bytes()[1] == b':' && matches!(source.as_bytes()[2], b'\\' | b'/'))
}

fn bind_source(source: &str, must_exist: bool, recursive: bool, sources: Sources<'_>) -> What {
    let path = clean(source);
    if ENGINE_SOCKETS.contains(&path.as_str()) || sources.engine_sockets.iter().any(|socket| clean(socket) == path) {
        return What::EngineSocket;
    }
    match (sources.mode, Place::in_machine(source)) {
        (Mode::Vm, Place::Host(path)) => What::Share { path, must_exist },
        (Mode::Vm, Place::Machine(path)) => What::Bind { path, must_exist, recursive },
        (Mode::Native, _) => What::Bind { path, must_exist, recursive },
    }
}

/// Whose folder is meant by the source of a bind, where the engine runs in the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The kernel's own.
    Machine(String),
    /// The user's computer's, by which it has to be shared.
    Host(String),
}

impl Place {
    pub fn in_machine(source: &str) -> Place {
        let path = clean(source);
        // The modules are not made read-only here, since they lie in the machine's root, a file system that nothing can write.
        if KERNELS.iter().any(|kernels| Path::new(&path).starts_with(kernels)) {
            return Place::Machine(path);
        }
        // What it is called in the end, the host knows: a path of Windows is not to be made clean here.
        Place::Host(if source.starts_with('/') { path } else { source.to_owned() })
    }
}

fn destination_of(path: &str) -> Result<String, Invalid> {
    if !path.starts_with('/') {
        return Err(Invalid::MountPath(path.to_owned()));
    }
    let path = clean(path);
    if path == "/" { Err(Invalid::MountRoot) } else { Ok(path) }
}

/// A subpath that stays within its volume.
fn local_subpath(path: &str) -> Option<()> {
    let mut depth = 0_u32;
    for part in Path::new(path).components() {
        depth = match part {
            Component::Normal(_) => depth + 1,
            Component::CurDir => depth,
            Component::ParentDir => depth.checked_sub(1)?,
            Component::RootDir | Component::Prefix(_) => return None,
        };
    }
    Some(())
}

/// Without double slashes, `.` and `..`.
pub(crate) fn clean(path: &str) -> String {
    String::from_utf8(clean_bytes(path.as_bytes())).expect("what stands between the slashes of a text is text")
}

/// The same for names that need not be text.
pub(crate) fn clean_bytes(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
