//! What `cargo quickstart` and `cargo verify` say where they can do nothing: no program is found, and nothing is installed.

#![cfg(unix)]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of Debian's base system, `nobody`.
const NOBODY: u32 = 65534;

/// A copy of `program` that everybody may run, with an empty folder as its PATH; the folder goes with the value.
struct Alone {
    folder: PathBuf,
    program: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// One at a time: a process that another test starts has the copy open for writing until it becomes a program of its own, and what is open
/// for writing cannot be run (ETXTBSY).
static TURN: Mutex<()> = Mutex::new(());

impl Alone {
    fn new(name: &str, program: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = std::env::temp_dir().join(format!("berth-words-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let copy = folder.join("program");
        std::fs::copy(program, &copy).unwrap();
        Self { folder, program: copy, _turn: turn }
    }

    /// The exit code, and all that was said.
    fn run(&self, locale: &str, user: Option<u32>) -> (Option<i32>, String) {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", self.folder.join("no-programs"))
            .env("HOME", &self.folder)
            .env("LC_ALL", locale);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let out = command.current_dir(Path::new("/")).output().unwrap();
        (out.status.code(), String::from_utf8([out.stdout, out.stderr].concat()).unwrap())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn quickstart_speaks_the_user_s_language() {
    let quickstart = Alone::new("language", env!("CARGO_BIN_EXE_quickstart"));
    let (code, text) = quickstart.run("zh_CN.UTF-8", None);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("==> 安装缺少的软件包") && text.contains("快速安装停在这一步：安装缺少的软件包: "), "{text}");
    assert!(text.contains("请解决上述问题后再次运行 `cargo quickstart`"), "{text}");
    let (code, text) = quickstart.run("C.UTF-8", None);
    assert!(code == Some(1) && text.contains("quickstart stopped at: install what is missing: "), "{text}");
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn without_root_and_sudo_the_way_out_is_named() {
    if !installers::debian::is_root() {
        println!("SKIPPED: without_root_and_sudo_the_way_out_is_named: only root can become somebody else");
        return;
    }
    let quickstart = Alone::new("sudo", env!("CARGO_BIN_EXE_quickstart"));
    let (code, text) = quickstart.run("C.UTF-8", Some(NOBODY));
    assert_eq!(code, Some(1), "{text}");
    for words in ["gcc", "must be installed by root", "no sudo", "`apt-get install gcc ", "as root"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (_, text) = quickstart.run("zh_CN.UTF-8", Some(NOBODY));
    assert!(text.contains("需要 root 权限") && text.contains("`apt-get install gcc "), "{text}");
}

#[test]
fn verify_asks_for_root_before_it_does_anything() {
    if !installers::debian::is_root() {
        println!("SKIPPED: verify_asks_for_root_before_it_does_anything: only root can become somebody else");
        return;
    }
    let verify = Alone::new("verify", env!("CARGO_BIN_EXE_verify"));
    let (code, text) = verify.run("C.UTF-8", Some(NOBODY));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("\nfailed:\n    verify itself\n\n0 passed, 1 failed, 0 skipped\n"), "{text}");
    assert!(text.contains("verify stopped at: the end-to-end suites need root"), "{text}");
    assert!(!text.contains("==>"), "{text}");
}
