//! A tar into a directory of a container.

use super::directories::Directories;
use super::entry::put_entry;
use super::folder::{Folder, entry_name};
use super::place::Place;
use super::{not_found, unreadable};
use crate::actor::look_up_owner;
use crate::handle::View;
use crate::record::Record;
use crate::requests::ArchivePut;
use crate::service::Inner;
use crate::{Error, Result};
use bytes::{Buf, Bytes};
use layers::archive::{Kind, Members};
use std::io::{self, Read};
use std::path::Path;
use tokio::sync::mpsc;

/// Unpacks `body` into the directory at `path`; blocking.
pub(super) fn unpack(
    inner: &Inner,
    view: &View,
    path: &str,
    body: mpsc::Receiver<io::Result<Bytes>>,
    options: ArchivePut,
) -> Result<()> {
    let record = &view.record;
    // The end makes it follow a link to the folder; what is told is the client's own path. As with dockerd, whatever cannot be
    // found while it is unpacked, as a hard link's target, is told as if it were the folder.
    let own_path = |error| match error {
        Error::NoSuchPath { .. } => not_found(path, &record.id),
        Error::BelowFile { .. } if is_there(inner, view, path) => Error::NotADirectory,
        Error::BelowFile { .. } => Error::BelowFile { path: path.to_owned() },
        Error::Path { source, .. } if source.kind() == io::ErrorKind::NotFound => not_found(path, &record.id),
        // dockerd goes this way step by step, and tells of the first that it cannot take.
        Error::ZeroByte { path } => {
            let steps = path.split_inclusive('/');
            let odd = steps.clone().position(|step| step.contains('\0')).unwrap_or(0);
            Error::ZeroByte { path: steps.take(odd + 1).collect::<String>().trim_end_matches('/').to_owned() }
        }
        other => other,
    };
    let place = Place::find(inner, view, &format!("{}/.", path.trim_end_matches('/'))).map_err(own_path)?;
    place.open().map_err(own_path)?;
    let folder = Folder::find(place.root(), place.path()).map_err(own_path)?;
    may_be_changed(record, folder.path())?;
    // As with dockerd: without a user of the container's, the archive's owners stay.
    let owner = if options.copy_uid_gid && !record.config.user.is_empty() {
        Some(look_up_owner(place.root(), &record.config.user)?)
    } else {
        None
    };
    unpack_into(&folder, Body { receiver: body, rest: Bytes::new() }, owner, options).map_err(own_path)
}

fn is_there(inner: &Inner, view: &View, path: &str) -> bool {
    Place::find(inner, view, path).is_ok_and(|place| place.stat().is_ok())
}

/// Where links have led counts, not where they are.
fn may_be_changed(record: &Record, path: &Path) -> Result<()> {
    let holding = record.mounts.iter().filter(|mount| path.starts_with(&mount.destination));
    match holding.max_by_key(|mount| mount.destination.len()) {
        Some(mount) if !mount.rw => Err(Error::ReadOnlyVolume),
        None if record.host.readonly_rootfs => Err(Error::ReadOnlyRoot),
        _ => Ok(()),
    }
}

fn unpack_into(
    folder: &Folder,
    archive: impl Read + Send + 'static,
    owner: Option<(u32, u32)>,
    options: ArchivePut,
) -> Result<()> {
    let mut members = Members::new(images::decompress(archive).map_err(Error::io("read the archive"))?);
    let mut directories = Directories::new();
    while let Some(member) = members.next().map_err(unreadable)? {
        let name = entry_name(&member.name)?;
        if name.as_os_str().is_empty() {
            continue;
        }
        put_entry(folder, &name, &member, &mut members, owner, options)?;
        if member.kind == Kind::Directory {
            directories.remember(folder, &name, member.mtime);
        }
    }
    // An archive is padded behind its end. A client that could not send that would take its connection for broken.
    members.drain().map_err(unreadable)?;
    directories.set(folder);
    Ok(())
}

/// The request's body as a reader for a blocking thread.
struct Body {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let count = self.rest.len().min(buffer.len());
        self.rest.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::Cursor;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    struct Root(tempfile::TempDir);

    impl Root {
        fn new() -> Root {
            let root = Root(tempfile::tempdir().unwrap());
            fs::create_dir(root.0.path().join("folder")).unwrap();
            root
        }

        fn put(&self, archive: tar::Builder<Vec<u8>>) -> Result<()> {
            let folder = Folder::find(File::open(self.0.path()).unwrap().as_fd(), "/folder").unwrap();
            unpack_into(&folder, Cursor::new(archive.into_inner().unwrap()), None, ArchivePut::default())
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.0.path().join(path)).unwrap()
        }
    }

    fn add(archive: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, content: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        // The crate's own setters refuse what leads out.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if kind == tar::EntryType::Regular {
            header.set_size(content.len() as u64);
        } else {
            header.set_size(0);
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        header.set_cksum();
        let data = if kind == tar::EntryType::Regular { content.as_bytes() } else { b"" };
        archive.append(&header, data).unwrap();
    }

    #[test]
    fn a_hard_link_in_a_folder_is_to_what_the_archive_names() {
        let (root, mut archive) = (Root::new(), tar::Builder::new(Vec::new()));
        add(&mut archive, tar::EntryType::Regular, "lib/a", "named");
        add(&mut archive, tar::EntryType::Regular, "pkg/lib/a", "beside");
        add(&mut archive, tar::EntryType::Link, "pkg/b", "lib/a");
        root.put(archive).unwrap();
        assert_eq!(root.read("folder/pkg/b"), "named");
        let mut archive = tar::Builder::new(Vec::new());
        add(&mut archive, tar::EntryType::Link, "pkg/c", "b");
        let error = root.put(archive).unwrap_err();
        assert!(error.to_string().contains("/folder/b"), "{error}");
    }

    #[test]
    fn what_leads_out_is_refused_and_changes_nothing_there() {
        let (root, mut archive) = (Root::new(), tar::Builder::new(Vec::new()));
        symlink("..", root.0.path().join("folder/up")).unwrap();
        add(&mut archive, tar::EntryType::Regular, "before", "unpacked");
        add(&mut archive, tar::EntryType::Regular, "../out", "unpacked");
        assert_eq!(root.put(archive).unwrap_err().to_string(), "invalid entry name \"../out\"");
        assert_eq!(root.read("folder/before"), "unpacked");
        let mut archive = tar::Builder::new(Vec::new());
        add(&mut archive, tar::EntryType::Regular, "up/out", "unpacked");
        assert_eq!(root.put(archive).unwrap_err().to_string(), "statat up: path escapes from parent");
        let mut archive = tar::Builder::new(Vec::new());
        add(&mut archive, tar::EntryType::Symlink, "fresh", "../..");
        add(&mut archive, tar::EntryType::Directory, "fresh/out", "");
        assert_eq!(root.put(archive).unwrap_err().to_string(), "statat fresh: path escapes from parent");
        assert_eq!(fs::read_dir(root.0.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_absolute_link_begins_at_the_folder_and_a_link_may_lead_anywhere() {
        let (root, mut archive) = (Root::new(), tar::Builder::new(Vec::new()));
        add(&mut archive, tar::EntryType::Symlink, "absolute", "/folder/x");
        add(&mut archive, tar::EntryType::Regular, "absolute/file", "inside");
        add(&mut archive, tar::EntryType::Symlink, "relative", "../../x");
        root.put(archive).unwrap();
        assert_eq!(root.read("folder/folder/x/file"), "inside");
        assert_eq!(fs::read_link(root.0.path().join("folder/relative")).unwrap(), Path::new("../../x"));
    }
}
