//! What Windows' named pipes are called, by us and by docker's clients, and who may open them. Text alone, so that every system tests it.
//!
//! Names of pipes are the whole computer's, without folders: what on other systems lies in different folders must differ in its name.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::paths::hex;

/// What every pipe's name begins with on its own computer.
const ROOT: &str = r"\\.\pipe\";

/// The pipe on which a daemon serves `what` (`engine`, `control`): `berth_WHAT`, of a machine with a name `berth_WHAT_NAME`; with the folder
/// `home` of `BERTH_HOME` a mark of that folder follows. No machine's name has `_` or `.` in it, so no two are the same.
pub(crate) fn of_daemon(what: &str, machine: Option<&str>, home: Option<&Path>) -> PathBuf {
    let machine = machine.map(|name| format!("_{name}")).unwrap_or_default();
    // Nobody there tells small letters from great ones.
    let mark = |home: &Path| hex(&Sha256::digest(home.to_string_lossy().to_lowercase().as_bytes())[..6]);
    let home = home.map(|home| format!(".{}", mark(home))).unwrap_or_default();
    PathBuf::from(format!("{ROOT}berth_{what}{machine}{home}"))
}

/// How docker's clients write the address of `pipe`: `npipe:////./pipe/NAME`. `None`: it is no pipe's name.
pub(crate) fn docker_host(pipe: &Path) -> Option<String> {
    let name = pipe.to_str()?.strip_prefix(ROOT)?;
    Some(format!("npipe:////./pipe/{name}"))
}

/// The access list of a pipe for the user `sid` alone, as SDDL: protected, so that nothing is inherited, and everything for that user, none
/// for administrators and services.
#[cfg(any(windows, test))]
pub(crate) fn access_of(sid: &str) -> String {
    format!("D:P(A;;GA;;;{sid})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_of_each_home_has_pipes_of_its_own() {
        let name = |what, machine, home: Option<&str>| {
            of_daemon(what, machine, home.map(Path::new)).into_os_string().into_string().unwrap()
        };
        assert_eq!(name("engine", None, None), r"\\.\pipe\berth_engine");
        assert_eq!(name("control", None, None), r"\\.\pipe\berth_control");
        assert_eq!(name("engine", Some("work"), None), r"\\.\pipe\berth_engine_work");
        let marked = name("engine", Some("work"), Some(r"C:\Users\张伟\b"));
        assert_eq!(marked.len(), r"\\.\pipe\berth_engine_work.0123456789ab".len());
        assert_eq!(marked, name("engine", Some("work"), Some(r"c:\users\张伟\B")));
        assert_ne!(marked, name("engine", Some("work"), Some(r"C:\Users\李娜\b")));
        assert_ne!(marked, name("engine", None, Some(r"C:\Users\张伟\b")));
    }

    #[test]
    fn clients_write_a_pipe_with_slashes() {
        let host = |path: &str| docker_host(Path::new(path));
        assert_eq!(host(r"\\.\pipe\berth_engine").as_deref(), Some("npipe:////./pipe/berth_engine"));
        assert_eq!(
            host(r"\\.\pipe\berth_engine_work.0123456789ab").as_deref(),
            Some("npipe:////./pipe/berth_engine_work.0123456789ab")
        );
        assert_eq!(host("/run/user/1000/berth/engine.sock"), None);
    }

    #[test]
    fn a_pipe_is_for_one_user() {
        assert_eq!(access_of("S-1-5-21-1-2-3-1001"), "D:P(A;;GA;;;S-1-5-21-1-2-3-1001)");
    }
}
