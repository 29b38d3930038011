//! Tar archives made by hand, hostile ones included, and layers in a temporary directory.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use layers::{Applied, DiffId, Digest, Layers};
use store::{Batch, Durability, Store};

/// An archive under construction. Names go in as they are.
#[derive(Default)]
pub struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    pub fn entry(mut self, kind: u8, name: &str, link: &str, mode: u32, content: &[u8]) -> Tar {
        self.push(header(kind, name, link, mode, content.len() as u64, 1_700_000_000), content);
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Tar {
        self.entry(b'0', name, "", 0o644, content)
    }

    pub fn dir(self, name: &str, mode: u32) -> Tar {
        self.entry(b'5', name, "", mode, b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.entry(b'2', name, target, 0o777, b"")
    }

    pub fn hardlink(self, name: &str, target: &str) -> Tar {
        self.entry(b'1', name, target, 0o644, b"")
    }

    /// PAX records for the next entry.
    pub fn pax(mut self, records: &[(&str, &[u8])]) -> Tar {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            body.extend_from_slice(format!("{length} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.push(header(b'x', "pax", "", 0o644, body.len() as u64, 0), &body);
        self
    }

    pub fn raw(mut self, header: tar::Header, content: &[u8]) -> Tar {
        self.push(header, content);
        self
    }

    fn push(&mut self, mut header: tar::Header, content: &[u8]) {
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

pub fn header(kind: u8, name: &str, link: &str, mode: u32, size: u64, mtime: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(tar::EntryType::new(kind));
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(mtime);
    header
}

/// Layers in a directory that goes away with it.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub layers: Layers,
}

impl Bench {
    pub fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store.redb")).unwrap();
        let layers = Layers::open(&dir.path().join("layers"), &store).unwrap();
        Bench { dir, store, layers }
    }

    /// The same directory as the next process would see it.
    pub fn reopen(self) -> Bench {
        let Bench { dir, store, layers } = self;
        drop((store, layers));
        let store = Store::open(&dir.path().join("store.redb")).unwrap();
        let layers = Layers::open(&dir.path().join("layers"), &store).unwrap();
        Bench { dir, store, layers }
    }

    pub fn apply(&self, tar: Tar) -> Applied {
        let bytes = tar.finish();
        self.layers.apply(bytes.as_slice(), &Digest::of(&bytes)).unwrap()
    }

    /// The error of applying; nothing may be left of it.
    pub fn refuse(&self, tar: Tar) -> String {
        let bytes = tar.finish();
        let id = Digest::of(&bytes);
        let error = self.layers.apply(bytes.as_slice(), &id).unwrap_err().to_string();
        assert!(!self.layers.contains(&id));
        let left: Vec<_> = std::fs::read_dir(self.dir.path().join("layers/ingest")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        error
    }

    pub fn tree(&self, id: &DiffId) -> PathBuf {
        self.dir.path().join("layers").join(id.hex()).join("fs")
    }

    pub fn settle(&self, chain: &[DiffId]) {
        let mut batch = Batch::new();
        self.layers.settle(chain, false, &mut batch).unwrap();
        self.store.write_blocking(batch, Durability::Durable).unwrap();
    }

    /// The chain, mounted; its files are reached through the returned path.
    pub fn mount(&self, chain: &[DiffId]) -> Mounted {
        self.settle(chain);
        let spec = self.layers.overlay(chain, None).unwrap();
        Mounted::new(self.layers.mount(&spec).unwrap())
    }
}

/// A detached mount, reached through its descriptor.
pub struct Mounted {
    pub fd: std::os::fd::OwnedFd,
    pub path: PathBuf,
}

impl Mounted {
    pub fn new(fd: std::os::fd::OwnedFd) -> Mounted {
        use std::os::fd::AsRawFd;
        let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()));
        Mounted { fd, path }
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Permission bits of a path, not followed.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}
