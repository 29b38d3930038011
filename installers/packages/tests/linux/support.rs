//! What the tests are made with: packages, and trees to install them in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use packages::components::{Components, System};
use packages::made::{Made, Page};
use packages::plan::{Inputs, PROGRAMS};
use packages::{linux, notices, sbom};

pub(crate) const DATE: u32 = 1_764_000_000;
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Says why a test of this name does not run.
pub(crate) fn skipped(test: &str, why: &str) {
    println!("SKIPPED: {test}: {why}");
}

/// Why nothing can be installed here, if so.
pub(crate) fn cannot_install() -> Option<&'static str> {
    (!installers::debian::is_root()).then_some("only root can mount and install")
}

/// What small packages of `version` are made from, below `folder`.
pub(crate) fn small(folder: &Path, version: &str) -> Inputs {
    let (programs, image) = (folder.join("programs"), folder.join("image"));
    fs::create_dir_all(&programs).unwrap();
    fs::create_dir_all(&image).unwrap();
    for program in PROGRAMS {
        fs::copy("/bin/true", programs.join(program)).unwrap();
    }
    for part in ["vmlinuz", "initramfs.cpio", "root.erofs", "manifest.json"] {
        fs::write(image.join(part), format!("{part} of {version}")).unwrap();
    }
    let page = Page { folder: "man1", name: format!("berth-{version}.1"), text: ".TH berth".to_owned() };
    Inputs {
        version: version.to_owned(),
        date: DATE,
        programs,
        image,
        made: Made { bash: "bash".to_owned(), zsh: "zsh".to_owned(), fish: "fish".to_owned(), pages: vec![page] },
        notices: "notices".to_owned(),
        sbom: "{}".to_owned(),
        effort: 1,
    }
}

/// The folder of the whole packages, or why there is none.
pub(crate) fn whole() -> Result<&'static Path, &'static str> {
    static WHOLE: OnceLock<Result<tempfile::TempDir, String>> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| {
        let image = image().ok_or("no guest image is built: `cargo image` builds it")?;
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("programs");
        fs::create_dir(&programs).unwrap();
        for program in PROGRAMS {
            // Without what debuggers read, as they are given to users.
            let built = built(program)?;
            let stripped = Command::new("strip").arg("-o").arg(programs.join(program)).arg(built).status().unwrap();
            assert!(stripped.success(), "strip {program}");
        }
        let components = components().map_err(str::to_owned)?;
        let inputs = Inputs {
            version: VERSION.to_owned(),
            date: DATE,
            made: Made::by(&programs).unwrap(),
            programs,
            image,
            notices: notices::text(VERSION, components).unwrap(),
            sbom: sbom::text(VERSION, DATE, components),
            effort: 1,
        };
        linux::write(&inputs, &folder.path().join("packages")).unwrap();
        Ok(folder)
    });
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    match whole {
        Ok(folder) => Ok(PACKAGES.get_or_init(|| folder.path().join("packages"))),
        Err(why) => Err(why),
    }
}

/// What of others is in the whole packages, or why that is not known.
pub(crate) fn components() -> Result<&'static Components, &'static str> {
    static COMPONENTS: OnceLock<Option<Components>> = OnceLock::new();
    let components = COMPONENTS
        .get_or_init(|| Some(Components::collect(&installers::workspace(), &[image()?], System::Linux).unwrap()));
    components.as_ref().ok_or("no guest image is built: `cargo image` builds it")
}

/// The guest image that was built last.
pub(crate) fn image() -> Option<PathBuf> {
    let current = installers::cache().join("image/current");
    current.join("manifest.json").is_file().then(|| current.canonicalize().unwrap())
}

/// A program of this workspace, built in the same profile as this test.
fn built(program: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().unwrap();
    // target/PROFILE/deps/TEST
    let path = own.ancestors().nth(2).unwrap().join(program);
    if path.is_file() { Ok(path) } else { Err(format!("{} is not built", path.display())) }
}

/// Runs `script` as root in a copy of this machine's tree, of which nothing remains: `/packages` is the folder `packages`, `/home` is
/// empty, there is no network. Returns what it printed.
pub(crate) fn in_a_copy(packages: &Path, script: &str) -> String {
    // The copy is in memory: what lies over a tree may not lie in it.
    let enter = r#"set -eu
packages=$1 script=$2 base=$3
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" overlay "$base/root"
root=$base/root
mkdir -p "$root/packages" "$root/home"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/home"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$packages" "$root/packages"
exec chroot "$root" /bin/sh -euc "$script"
"#;
    let base = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "--ipc", "--propagation", "private", "sh", "-c", enter, "sh"]);
    command.arg(packages).arg(script).arg(base.path());
    run(clean_environment(&mut command))
}

/// An environment that has nothing of this machine's user.
pub(crate) fn clean_environment(command: &mut Command) -> &mut Command {
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/home").env("LC_ALL", "C.UTF-8");
    command.env("DEBIAN_FRONTEND", "noninteractive").env("BERTH_HOME", "/home/berth")
}

/// What `command` prints; both streams are in the message of its failure.
pub(crate) fn run(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{command:?}: {}\n{said}\n{complained}", out.status);
    said.into_owned()
}

/// Regular files below `folder` with their permission bits.
pub(crate) fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mut modes = BTreeMap::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                modes.insert(name, entry.metadata().unwrap().permissions().mode() & 0o7777);
            }
        }
    }
    modes
}
