//! Finding the program, with the words and exit codes that Docker's users know.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::{child::text, status::Failure, sys};

/// The file that `name` means, in the container as it is now. `env` is searched for PATH.
pub(crate) fn find(name: &str, env: &[String]) -> Result<PathBuf, Failure> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return match usable(&path) {
            Ok(()) => Ok(path),
            Err(e) => Err(refused(name, &e)),
        };
    }
    let path = env.iter().rev().find_map(|e| e.strip_prefix("PATH=")).unwrap_or("");
    if !name.is_empty() {
        for directory in path.split(':') {
            // An empty entry means the current directory.
            let candidate =
                if directory.is_empty() { Path::new(".").join(name) } else { Path::new(directory).join(name) };
            if usable(&candidate).is_ok() {
                return Ok(candidate);
            }
        }
    }
    Err(failure(libc::ENOENT, format!("exec: {name:?}: executable file not found in $PATH"), 127))
}

fn usable(path: &Path) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if metadata.permissions().mode() & 0o111 == 0 {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    let name = sys::cstring(path)?;
    // SAFETY: name lives through the call.
    sys::check(unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::X_OK, libc::AT_EACCESS) }).map(drop)
}

fn refused(name: &str, error: &io::Error) -> Failure {
    let errno = error.raw_os_error().unwrap_or(0);
    match errno {
        libc::ENOENT | libc::ENOTDIR => failure(errno, format!("exec: {name:?}: stat {name}: {}", text(error)), 127),
        _ => failure(errno, format!("exec: {name:?}: {}", text(error)), 126),
    }
}

fn failure(errno: i32, message: String, exit_hint: i32) -> Failure {
    Failure { step: "exec".to_owned(), errno, message, exit_hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, path: &str, expect: Result<&str, (&str, i32)>) {
        let got = find(name, &[format!("PATH={path}")]);
        match (got, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, Path::new(expect)),
            (Err(f), Err((message, hint))) => assert_eq!((f.message.as_str(), f.exit_hint), (message, hint)),
            (got, expect) => panic!("{name}: {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn words_of_runc() {
        let dir = tempfile::tempdir().expect("tempdir");
        let at = |name: &str| dir.path().join(name).display().to_string();
        fs::write(at("plain"), "x").expect("write");
        fs::write(at("tool"), "#!/bin/sh\n").expect("write");
        fs::set_permissions(at("tool"), fs::Permissions::from_mode(0o755)).expect("chmod");
        let path = format!("/nonexistent:{}", dir.path().display());
        check("tool", &path, Ok(&at("tool")));
        check("plain", &path, Err(("exec: \"plain\": executable file not found in $PATH", 127)));
        check("nope", &path, Err(("exec: \"nope\": executable file not found in $PATH", 127)));
        check("", &path, Err(("exec: \"\": executable file not found in $PATH", 127)));
        check("/nope", "", Err(("exec: \"/nope\": stat /nope: no such file or directory", 127)));
        let plain = at("plain");
        check(&plain, "", Err((&format!("exec: {plain:?}: permission denied"), 126)));
        let folder = dir.path().display().to_string();
        check(&folder, "", Err((&format!("exec: {folder:?}: is a directory"), 126)));
    }
}
