//! What a thread reaches that answers for a share: nothing else, whatever it is led to. Needs Linux 5.19 with Landlock.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use shares::{Access, Share};

const ACCES: i32 = 13;
const XDEV: i32 = 18;

/// A folder `in` with a file in it, and `out` beside it.
fn folders() -> (tempfile::TempDir, [PathBuf; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().canonicalize().unwrap();
    let folders = ["in", "out"].map(|name| top.join(name));
    for folder in &folders {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("file"), "content").unwrap();
    }
    (dir, folders)
}

/// In a thread that is confined to what is shared.
fn confined(path: &Path, access: Access, what: impl FnOnce() + Send) {
    let share = Share::open(path, access).unwrap();
    std::thread::scope(|scope| {
        let done = scope.spawn(|| {
            assert!(share.confine().unwrap(), "this kernel has no Landlock, or too old a one");
            what();
        });
        done.join().unwrap();
    });
}

fn number<T>(result: std::io::Result<T>) -> Option<i32> {
    result.map(drop).unwrap_err().raw_os_error()
}

#[test]
fn nothing_outside_is_opened_made_changed_or_removed() {
    let (_dir, [own, out]) = folders();
    symlink(&out, own.join("link")).unwrap();
    confined(&own, Access::ReadWrite, || {
        for there in [out.join("file"), own.join("../out/file"), own.join("link/file")] {
            assert_eq!(number(fs::read(&there)), Some(ACCES), "{there:?}");
            assert_eq!(number(fs::OpenOptions::new().append(true).open(&there)), Some(ACCES));
            assert_eq!(number(fs::remove_file(&there)), Some(ACCES));
        }
        assert_eq!(number(fs::read_dir(&out)), Some(ACCES));
        assert_eq!(number(fs::write(out.join("new"), "")), Some(ACCES));
        assert_eq!(number(fs::create_dir(out.join("new"))), Some(ACCES));
        assert_eq!(number(symlink("file", out.join("new"))), Some(ACCES));
        // Neither out nor in.
        for (from, to) in [(own.join("file"), out.join("moved")), (out.join("file"), own.join("moved"))] {
            assert!(matches!(number(fs::rename(&from, &to)), Some(ACCES | XDEV)));
            assert!(matches!(number(fs::hard_link(&from, &to)), Some(ACCES | XDEV)));
        }
        assert_eq!(fs::read("/etc/hostname").unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!(fs::read("/proc/self/environ").unwrap_err().kind(), ErrorKind::PermissionDenied);
    });
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn all_that_containers_may_do_inside_goes_on() {
    let (_dir, [own, _]) = folders();
    // One that none has to be privileged for (`WHITEOUT_DEV`).
    let device = own.join("device");
    rustix::fs::mknodat(CWD, &device, rustix::fs::FileType::CharacterDevice, 0o600.into(), 0).unwrap();
    confined(&own, Access::ReadWrite, || {
        fs::create_dir_all(own.join("a/b")).unwrap();
        fs::write(own.join("a/b/f"), "new").unwrap();
        fs::rename(own.join("a/b/f"), own.join("g")).unwrap();
        fs::hard_link(own.join("g"), own.join("a/g")).unwrap();
        symlink("nowhere", own.join("a/link")).unwrap();
        rustix::fs::mknodat(CWD, own.join("a/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        fs::OpenOptions::new().write(true).truncate(true).open(own.join("g")).unwrap().set_len(4096).unwrap();
        fs::rename(&device, own.join("a/device")).unwrap();
        fs::remove_dir_all(own.join("a")).unwrap();
        assert_eq!(fs::read_dir(&own).unwrap().count(), 2);
    });
}

#[test]
fn what_may_only_be_read_is_only_read() {
    let (_dir, [own, _]) = folders();
    confined(&own, Access::ReadOnly, || {
        assert_eq!(fs::read(own.join("file")).unwrap(), b"content");
        assert_eq!(fs::read_dir(&own).unwrap().count(), 1);
        assert_eq!(number(fs::write(own.join("file"), "")), Some(ACCES));
        assert_eq!(number(fs::remove_file(own.join("file"))), Some(ACCES));
        assert_eq!(number(fs::create_dir(own.join("new"))), Some(ACCES));
    });
    let file = own.join("file");
    fs::write(own.join("beside"), "").unwrap();
    confined(&file, Access::ReadWrite, || {
        fs::write(&file, "other").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"other");
        assert_eq!(number(fs::read_dir(&own)), Some(ACCES), "a file alone was shared");
        assert_eq!(number(fs::read(own.join("beside"))), Some(ACCES));
        assert_eq!(number(fs::OpenOptions::new().append(true).open(own.join("beside"))), Some(ACCES));
        assert_eq!(number(fs::write(own.join("new"), "")), Some(ACCES));
        assert_eq!(number(fs::remove_file(&file)), Some(ACCES));
    });
}
