//! A path walked part by part: the kernel keeps a walk inside (openat2, `RESOLVE_IN_ROOT`), but does not tell where it would
//! have led out, and makes nothing on the way.

use runtime::sys;
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// What a walk does besides.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    /// Makes the directories that are missing.
    pub(super) make: bool,
    /// Fails with `EXDEV` where a relative link leads above the base. That of an absolute one is the base; without this rule every
    /// link is followed as after chroot(2).
    pub(super) within: bool,
}

/// The directory at the end of a walk.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) directory: OwnedFd,
    /// From the base, absolute, without links.
    pub(super) path: PathBuf,
}

/// Walks from `base`. Whatever is swapped meanwhile, no step leads out of it.
pub(super) fn walk(base: BorrowedFd<'_>, path: &Path, rules: Rules) -> io::Result<Reached> {
    let directory = |path: &Path| sys::open_in_root(base, path, libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0);
    let mut reached = PathBuf::from("/");
    // The next part is the last.
    let mut rest = parts(path.as_os_str().as_bytes());
    let (mut links, mut stays) = (0, !rules.within);
    while let Some(part) = rest.pop() {
        if part == b".." {
            if !reached.pop() && !stays {
                return Err(Errno::XDEV.into());
            }
            continue;
        }
        let next = reached.join(OsStr::from_bytes(&part));
        let open = || sys::open_in_root(base, &next, libc::O_PATH | libc::O_NOFOLLOW, 0);
        let found = match open() {
            Err(error) if rules.make && error.kind() == io::ErrorKind::NotFound => {
                let made = rustix::fs::mkdirat(directory(&reached)?, part.as_slice(), Mode::from_raw_mode(0o755));
                made.or_else(|error| if error == Errno::EXIST { Ok(()) } else { Err(error) })?;
                open()
            }
            found => found,
        }?;
        match FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) {
            FileType::Directory => reached = next,
            FileType::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                if target.as_bytes().starts_with(b"/") {
                    reached = PathBuf::from("/");
                    stays = true;
                }
                rest.extend(parts(target.as_bytes()));
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(Reached { directory: directory(&reached)?, path: reached })
}

/// The parts of a path, the last first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    parts.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    const WITHIN: Rules = Rules { make: false, within: true };

    #[test]
    fn links_lead_where_they_would_from_the_base_as_root_and_relative_ones_not_above_it() {
        let base = tempfile::tempdir().unwrap();
        let at = |path: &str| base.path().join(path);
        std::fs::create_dir_all(at("sub/deep")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        for (name, target) in [
            ("absolute", "/sub"),
            ("clamped", "/sub/../../sub"),
            ("relative", "sub/deep/.."),
            ("sub/aside", "../sub/deep"),
            ("up", ".."),
            ("out-and-in", "../sub"),
            ("sub/up", "../.."),
            ("loop", "loop"),
            ("dangling", "made/here"),
        ] {
            symlink(target, at(name)).unwrap();
        }
        let root = File::open(base.path()).unwrap();
        let reach = |path: &str, rules| match walk(root.as_fd(), Path::new(path), rules) {
            Ok(reached) => Ok(reached.path.to_str().unwrap().to_owned()),
            Err(error) => Err(Errno::from_io_error(&error).unwrap()),
        };
        for (path, led) in [
            ("/", "/"),
            ("absolute", "/sub"),
            ("absolute/deep", "/sub/deep"),
            ("clamped", "/sub"),
            ("relative", "/sub"),
            ("sub/aside", "/sub/deep"),
            ("sub/aside/..", "/sub"),
        ] {
            assert_eq!(reach(path, WITHIN).as_deref(), Ok(led), "{path}");
            assert_eq!(reach(path, Rules::default()).as_deref(), Ok(led), "{path}");
        }
        for (path, led) in [("up", "/"), ("out-and-in", "/sub"), ("sub/up", "/")] {
            assert_eq!(reach(path, WITHIN), Err(Errno::XDEV), "{path}");
            assert_eq!(reach(path, Rules::default()).as_deref(), Ok(led), "{path}");
        }
        assert_eq!(reach("loop", WITHIN), Err(Errno::LOOP));
        assert_eq!(reach("file", WITHIN), Err(Errno::NOTDIR));
        assert_eq!(reach("file/below", WITHIN), Err(Errno::NOTDIR));
        assert_eq!(reach("dangling", WITHIN), Err(Errno::NOENT));
        assert_eq!(reach("dangling", Rules { make: true, ..WITHIN }).as_deref(), Ok("/made/here"));
        assert!(at("made/here").is_dir());
    }
}
