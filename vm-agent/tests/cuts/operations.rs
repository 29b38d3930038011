//! Every kind of request that the kernel makes of a mounted folder, with what a program does that leads to it; but for FLUSH (25), which it makes
//! once for a mount, is told that nobody knows it, and goes on without.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, RenameFlags, StatxFlags, XattrFlags};

pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// `enum fuse_opcode`.
    pub(crate) opcode: u32,
    /// On the host, in a folder of its own.
    pub(crate) prepare: fn(&Path),
    /// In the mount, in the same folder: it has to go well.
    pub(crate) run: fn(&Path),
    /// On the host: it was done, and once.
    pub(crate) done: fn(&Path),
}

/// What is in each prepared file; more than one message of the link's.
fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn file(at: &Path) {
    fs::write(at.join("f"), content()).unwrap();
}

fn nothing(_: &Path) {}

fn is_as_it_was(at: &Path) {
    let (found, wanted) = (fs::read(at.join("f")).unwrap(), content());
    let differs = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
    assert!(found == wanted, "{} bytes, the first wrong one at {differs:?}", found.len());
}

fn names(at: &Path) -> Vec<String> {
    let names = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// More than one answer holds, so that the list is read in parts.
const NAMES: usize = 3000;

fn many(at: &Path) {
    (0..NAMES).for_each(|number| drop(File::create(at.join(format!("a-name-of-usual-length-{number}"))).unwrap()));
}

fn lists_all(at: &Path) {
    assert_eq!(names(at).len(), NAMES);
}

fn open(at: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(at.join("f")).unwrap()
}

const fn of(name: &'static str, opcode: u32, prepare: fn(&Path), run: fn(&Path), done: fn(&Path)) -> Operation {
    Operation { name, opcode, prepare, run, done }
}

pub(crate) const ALL: &[Operation] = &[
    of("lookup", 1, file, |at| assert!(fs::metadata(at.join("f")).unwrap().is_file()), is_as_it_was),
    of("lookup of nothing", 1, nothing, |at| assert!(!at.join("none").exists()), nothing),
    of(
        "getattr",
        3,
        file,
        |at| {
            let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
            let stat = rustix::fs::statx(open(at), "", flags, StatxFlags::BASIC_STATS).unwrap();
            assert_eq!(stat.stx_size, 400_000);
        },
        is_as_it_was,
    ),
    of(
        "setattr",
        4,
        file,
        |at| fs::set_permissions(at.join("f"), fs::Permissions::from_mode(0o640)).unwrap(),
        |at| assert_eq!(fs::metadata(at.join("f")).unwrap().mode() & 0o7777, 0o640),
    ),
    of(
        "setattr: size",
        4,
        file,
        |at| open(at).set_len(7).unwrap(),
        |at| assert_eq!(fs::metadata(at.join("f")).unwrap().len(), 7),
    ),
    of(
        "readlink",
        5,
        |at| symlink("to", at.join("l")).unwrap(),
        |at| assert_eq!(fs::read_link(at.join("l")).unwrap(), Path::new("to")),
        nothing,
    ),
    of(
        "symlink",
        6,
        nothing,
        |at| symlink("to", at.join("l")).unwrap(),
        |at| assert_eq!(fs::read_link(at.join("l")).unwrap(), Path::new("to")),
    ),
    of(
        "mknod",
        8,
        nothing,
        |at| rustix::fs::mknodat(CWD, at.join("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap(),
        |at| assert!(fs::metadata(at.join("pipe")).unwrap().file_type().is_fifo()),
    ),
    of("mkdir", 9, nothing, |at| fs::create_dir(at.join("d")).unwrap(), |at| assert_eq!(names(at), ["d"])),
    of("unlink", 10, file, |at| fs::remove_file(at.join("f")).unwrap(), |at| assert!(names(at).is_empty())),
    of(
        "rmdir",
        11,
        |at| fs::create_dir(at.join("d")).unwrap(),
        |at| fs::remove_dir(at.join("d")).unwrap(),
        |at| assert!(names(at).is_empty()),
    ),
    of(
        "rename",
        12,
        |at| {
            file(at);
            fs::write(at.join("over"), "over").unwrap();
        },
        |at| fs::rename(at.join("f"), at.join("over")).unwrap(),
        |at| assert!(names(at) == ["over"] && fs::read(at.join("over")).unwrap() == content()),
    ),
    of(
        "link",
        13,
        file,
        |at| fs::hard_link(at.join("f"), at.join("g")).unwrap(),
        |at| assert_eq!((names(at), fs::metadata(at.join("g")).unwrap().nlink()), (vec!["f".into(), "g".into()], 2)),
    ),
    of("open", 14, file, |at| drop(open(at)), is_as_it_was),
    of("open to read", 14, file, |at| drop(File::open(at.join("f")).unwrap()), is_as_it_was),
    of(
        "open, truncated",
        14,
        file,
        |at| File::create(at.join("f")).unwrap().write_all(b"new").unwrap(),
        |at| assert_eq!(fs::read(at.join("f")).unwrap(), b"new"),
    ),
    of("read", 15, file, is_as_it_was, is_as_it_was),
    of(
        "write",
        16,
        file,
        |at| {
            let mut log = OpenOptions::new().append(true).open(at.join("f")).unwrap();
            for _ in 0..3 {
                log.write_all(&content()).unwrap();
            }
        },
        |at| assert!(fs::read(at.join("f")).unwrap() == content().repeat(4), "each part once"),
    ),
    of("statfs", 17, nothing, |at| assert!(rustix::fs::statvfs(at).unwrap().f_blocks > 0), nothing),
    of("release", 18, file, |at| drop(open(at)), is_as_it_was),
    of("fsync", 20, file, |at| open(at).sync_all().unwrap(), is_as_it_was),
    of(
        "setxattr",
        21,
        file,
        // Fails where it is there already.
        |at| rustix::fs::setxattr(at.join("f"), "user.note", b"new", XattrFlags::CREATE).unwrap(),
        |at| assert_eq!(attribute(at).as_deref(), Some(&b"new"[..])),
    ),
    of("getxattr", 22, attributed, |at| assert_eq!(attribute(at).as_deref(), Some(&b"old"[..])), is_as_it_was),
    of(
        "listxattr",
        23,
        attributed,
        |at| {
            let mut list = [0; 64];
            let length = rustix::fs::listxattr(at.join("f"), &mut list).unwrap();
            assert_eq!(&list[..length], b"user.note\0");
        },
        is_as_it_was,
    ),
    of(
        "removexattr",
        24,
        attributed,
        |at| rustix::fs::removexattr(at.join("f"), "user.note").unwrap(),
        |at| assert_eq!(attribute(at), None),
    ),
    of("opendir", 27, file, |at| assert_eq!(names(at), ["f"]), nothing),
    of("readdir", 28, many, lists_all, lists_all),
    of("readdirplus", 44, many, lists_all, lists_all),
    of("releasedir", 29, file, |at| assert_eq!(names(at), ["f"]), nothing),
    of("fsyncdir", 30, nothing, |at| File::open(at).unwrap().sync_all().unwrap(), nothing),
    of(
        "create",
        35,
        nothing,
        |at| {
            let new = OpenOptions::new().write(true).create_new(true).open(at.join("f"));
            new.unwrap().write_all(&content()).unwrap();
        },
        is_as_it_was,
    ),
    of(
        "fallocate",
        43,
        file,
        |at| rustix::fs::fallocate(open(at), FallocateFlags::empty(), 0, 1 << 20).unwrap(),
        |at| assert_eq!(fs::metadata(at.join("f")).unwrap().len(), 1 << 20),
    ),
    of(
        "rename2",
        45,
        |at| {
            file(at);
            fs::write(at.join("g"), "other").unwrap();
        },
        |at| {
            let flags = RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(CWD, at.join("f"), CWD, at.join("g"), flags).unwrap();
        },
        |at| assert!(fs::read(at.join("f")).unwrap() == b"other" && fs::read(at.join("g")).unwrap() == content()),
    ),
    of(
        "lseek",
        46,
        |at| File::create(at.join("f")).unwrap().set_len(1 << 20).unwrap(),
        |at| assert_eq!(rustix::fs::seek(open(at), rustix::fs::SeekFrom::Hole(5)), Ok(5)),
        nothing,
    ),
    of(
        "copy_file_range",
        47,
        file,
        |at| {
            let (from, to) = (open(at), File::create(at.join("g")).unwrap());
            let mut left = 400_000;
            while left > 0 {
                left -= rustix::fs::copy_file_range(&from, None, &to, None, left).unwrap();
            }
            let mut all = Vec::new();
            File::open(at.join("g")).unwrap().read_to_end(&mut all).unwrap();
            assert!(all == content());
        },
        |at| assert!(fs::read(at.join("g")).unwrap() == content()),
    ),
];

fn attributed(at: &Path) {
    file(at);
    rustix::fs::setxattr(at.join("f"), "user.note", b"old", XattrFlags::CREATE).unwrap();
}

fn attribute(at: &Path) -> Option<Vec<u8>> {
    let mut value = [0; 16];
    let length = rustix::fs::getxattr(at.join("f"), "user.note", &mut value);
    length.ok().map(|length| value[..length].to_vec())
}
