//! The initramfs: the agent, the modules that reach the root, and places to mount on.

use crate::cpio::Writer;
use crate::digest::sha256;
use crate::error::Result;
use crate::manifest::{FileRecord, Kind, Part};
use crate::modules::Module;
use crate::rootfs::Devices;
use crate::stages::Stage;
use crate::{EPOCH, MODULE_LISTS};

/// The archive and a record of each of its members.
pub(crate) fn build(agent: &[u8], stage: &Stage) -> Result<(Vec<u8>, Vec<FileRecord>)> {
    let mut maker = Maker { writer: Writer::new(EPOCH as u32), records: Vec::new() };
    maker.directory("/berth", 0o700, "where the host's own archive adds boot.json");
    maker.directory("/dev", 0o755, "mount point of devtmpfs");
    maker.writer.character_device("dev/console", 0o600, 5, 1);
    maker.record("/dev/console", Kind::CharacterDevice, 0o600, "initramfs", "standard input and output of PID 1");
    let stage = stage.packed_for(Devices::HyperV)?;
    for module in stage.modules() {
        maker.parents(&module.path);
        maker.file(&module.path, 0o644, &module.content, &module.origin, &module.reason);
    }
    for (name, modules) in stage.lists("initramfs") {
        let path = format!("{MODULE_LISTS}/{name}");
        maker.parents(&path);
        maker.file(&path, 0o644, list(modules).as_bytes(), "generated", "load order of the modules");
    }
    for (path, reason) in [
        ("/proc", "mount point of proc"),
        ("/run", "mount point of a tmpfs"),
        ("/sys", "mount point of sysfs"),
        ("/sysroot", "mount point of the root before switching to it"),
    ] {
        maker.directory(path, 0o755, reason);
    }
    maker.file("/init", 0o755, agent, "vm-agent", "the agent, PID 1");
    maker.records.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((maker.writer.finish(), maker.records))
}

/// The list file for `modules`: one absolute path a line, in load order.
pub(crate) fn list(modules: &[Module]) -> String {
    modules.iter().map(|module| format!("{}\n", module.path)).collect()
}

struct Maker {
    writer: Writer,
    records: Vec<FileRecord>,
}

impl Maker {
    fn directory(&mut self, path: &str, mode: u32, reason: &str) {
        self.writer.directory(&path[1..], mode);
        self.record(path, Kind::Directory, mode, "initramfs", reason);
    }

    /// The directories above `path` that are not there yet.
    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/').skip(1) {
            let parent = &path[..at];
            if !self.records.iter().any(|record| record.path == parent) {
                self.directory(parent, 0o755, &format!("holds {path}"));
            }
        }
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8], origin: &str, reason: &str) {
        self.writer.file(&path[1..], mode, content);
        self.record(path, Kind::File, mode, origin, reason);
        let record = self.records.last_mut().expect("just pushed");
        record.size = Some(content.len() as u64);
        record.sha256 = Some(sha256(content));
    }

    fn record(&mut self, path: &str, kind: Kind, mode: u32, origin: &str, reason: &str) {
        self.records.push(FileRecord {
            part: Part::Initramfs,
            path: path.into(),
            kind,
            mode: format!("{mode:04o}"),
            size: None,
            sha256: None,
            target: None,
            origin: origin.into(),
            reason: reason.into(),
        });
    }
}
