//! Whether mounts pass between a bind's source and the container (mount_namespaces(7), "Shared subtrees").
//!
//! `shared` needs a source on a shared mount, `slave` one on a shared or slave mount; dockerd refuses the start otherwise.
//! A source around or within the engine's own directory is a slave unless the user says otherwise: a container that keeps
//! private copies of the engine's mounts would keep them busy for ever.

use crate::record::Mounted;
use crate::service::Settings;
use crate::{Error, Invalid, Result};
use engine_api::Mount;
use layers::mount_table::{self, MountPoint};
use std::path::Path;

/// The words for each kind of propagation.
const SHARED: [&str; 2] = ["shared", "rshared"];
const SLAVE: [&str; 2] = ["slave", "rslave"];

/// The mounts of the engine's namespace.
#[derive(Debug)]
pub(crate) struct MountTable {
    entries: Vec<MountPoint>,
}

impl MountTable {
    pub(crate) fn read() -> Result<MountTable> {
        let entries = mount_table::read().map_err(Error::io("read the table of mounts"))?;
        Ok(MountTable { entries })
    }

    /// The propagation that a bind of `source` gets when it is to have `wanted`. Where `chosen` says no, what is impossible
    /// was not asked for, and is left out.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] in dockerd's words.
    pub(crate) fn propagation(&self, source: &Path, wanted: &str, chosen: impl Fn() -> bool) -> Result<String> {
        let (shared, slave) = (SHARED.contains(&wanted), SLAVE.contains(&wanted));
        if !shared && !slave {
            return Ok(wanted.to_owned());
        }
        let resolved = source.canonicalize().map_err(Error::path("resolve", source))?;
        // Of two mounts on one point the later covers the earlier.
        let on = self
            .entries
            .iter()
            .filter(|entry| resolved.starts_with(&entry.point))
            .max_by_key(|entry| entry.point.components().count());
        let on = on.ok_or_else(|| Error::path("find the mount of", source)(std::io::ErrorKind::NotFound.into()))?;
        if on.shared || (slave && on.slave) {
            return Ok(wanted.to_owned());
        }
        if !chosen() {
            return Ok("rprivate".to_owned());
        }
        let kind = if slave { "shared or slave" } else { "shared" };
        let message =
            format!("path {} is mounted on {} but it is not a {kind} mount", source.display(), on.point.display());
        Err(Error::Start { message, exit_code: 128 })
    }
}

impl Settings {
    /// What a bind gets whose request says `wanted`, which is empty where it says nothing.
    pub(crate) fn bind_propagation(&self, source: &Path, wanted: String) -> Result<String, Invalid> {
        // The engine's own socket may be in its directory, and nothing is mounted below it.
        let around = self.around(source) && source != self.engine_socket;
        match wanted.as_str() {
            "" => Ok(if around { "rslave" } else { "rprivate" }.to_owned()),
            "rslave" | "rshared" => Ok(wanted),
            _ if !around => Ok(wanted),
            _ => {
                let (root, source) = (self.root.clone(), source.to_owned());
                Err(Invalid::Propagation { root, bind: source, propagation: wanted })
            }
        }
    }

    /// Whether the user said how mounts pass; `given` are the request's `Mounts`.
    pub(crate) fn chose(&self, mount: &Mounted, source: &Path, given: &[Mount]) -> bool {
        let said = |mode: &str| mode.split(',').any(|word| SHARED.contains(&word) || SLAVE.contains(&word));
        let of_mount = given.iter().find(|wanted| crate::create::mounts::clean(&wanted.target) == mount.destination);
        let options = of_mount.and_then(|wanted| wanted.bind_options.as_ref());
        !self.around(source) || said(&mount.mode) || options.is_some_and(|options| said(&options.propagation))
    }

    fn around(&self, source: &Path) -> bool {
        source.starts_with(&self.root) || self.root.starts_with(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_judged_by_the_mount_they_are_on() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let line = |point: &str, optional: &str| {
            format!("36 35 98:0 / {}{point} rw,noatime {optional}- tmpfs x rw\n", base.display())
        };
        for name in ["shared", "slave", "a b"] {
            std::fs::create_dir_all(base.join(name).join("in")).unwrap();
        }
        let text = [
            line("", ""),
            line("/shared", "shared:7 "),
            line("/slave", "master:7 "),
            line("/a\\040b", "shared:9 master:2 "),
        ];
        let table = MountTable { entries: mount_table::parse(text.concat().as_bytes()) };
        let judge = |name: &str, wanted: &str, chosen| {
            table.propagation(&base.join(name), wanted, || chosen).map_err(|error| error.to_string())
        };
        assert_eq!(judge("shared/in", "rshared", true).unwrap(), "rshared");
        assert_eq!(judge("a b/in", "shared", true).unwrap(), "shared");
        assert_eq!(judge("slave", "rslave", true).unwrap(), "rslave");
        assert_eq!(judge("", "rprivate", true).unwrap(), "rprivate");
        let at = base.display();
        assert_eq!(
            judge("slave/in", "shared", true).unwrap_err(),
            format!("path {at}/slave/in is mounted on {at}/slave but it is not a shared mount")
        );
        assert_eq!(
            judge(".", "rslave", true).unwrap_err(),
            format!("path {at}/. is mounted on {at} but it is not a shared or slave mount")
        );
        assert_eq!(judge("", "rslave", false).unwrap(), "rprivate");
    }
}
