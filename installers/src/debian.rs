//! Debian packages: installed from the system's own suite or from a newer one, or only unpacked.
//!
//! Newer suites (`bookworm-backports`, `sid`) are read through a sources list and a lists directory of their own, so that
//! the machine's own apt configuration never changes. The mirror is the one that the machine is configured with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::follow;
use crate::words::say;

/// A suite that is not among the machine's own sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// Debian 12's backports: QEMU 10 (bookworm's 7.2 faults under TCG).
    Backports,
    /// Debian 13 with its backports: the source of Rust's standard library, and wine. Its packages are only unpacked, never installed.
    Trixie,
    /// Debian unstable: today's docker CLI. Its packages are only unpacked, never installed.
    Sid,
}

impl Suite {
    fn names(self) -> &'static [&'static str] {
        match self {
            // Backports lean on packages of bookworm itself.
            Suite::Backports => &["bookworm", "bookworm-updates", "bookworm-backports"],
            Suite::Trixie => &["trixie", "trixie-updates", "trixie-backports"],
            Suite::Sid => &["sid"],
        }
    }

    pub fn newest(self) -> &'static str {
        self.names().last().expect("every suite has a name")
    }

    /// The one that the others of it lean on.
    pub fn oldest(self) -> &'static str {
        self.names().first().expect("every suite has a name")
    }
}

/// The installed version of `package`, if any.
pub fn installed(package: &str) -> Option<String> {
    let out = Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status} ${Version}", package]).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout);
    text.strip_prefix("installed ").map(str::to_owned)
}

/// Installs `packages` from the machine's own suites (`None`) or from a newer one.
///
/// # Errors
/// Says which packages could not be installed and prints apt's own last lines.
pub fn install(packages: &[&str], suite: Option<Suite>) -> io::Result<()> {
    let rights = Rights::of_this_process();
    if rights == Rights::None {
        return Err(io::Error::other(needs_root(packages, suite)));
    }
    let lists;
    let mut apt = match suite {
        None => {
            follow(apt_get(rights, &["update", "-q"]), "apt-get update")?;
            apt_get(rights, &[])
        }
        Some(suite) => {
            let mut apt = apt_get(rights, &[]);
            lists = options_for(suite)?;
            apt.args(&lists.options).args(["-t", suite.newest()]);
            apt
        }
    };
    apt.args(["install", "-qy", "--no-install-recommends"]).args(packages);
    follow(apt, &say("installing %{packages}", &[("packages", &packages.join(" "))]))
}

/// What to do where nobody here may install anything.
fn needs_root(packages: &[&str], suite: Option<Suite>) -> String {
    let packages = packages.join(" ");
    let release = suite.map(|suite| format!("-t {} ", suite.newest())).unwrap_or_default();
    let command = format!("apt-get install {release}{packages}");
    say(
        "%{packages} must be installed by root, and there is no sudo here: run `%{command}` as root, then this again as yourself",
        &[("packages", &packages), ("command", &command)],
    )
}

/// Unpacks `package` of `suite` into a folder of its own below `cache` and returns that folder.
///
/// The folder is keyed by the package's version, so a newer one is fetched when the suite moves on; what was unpacked
/// before is used when the suite cannot be reached.
///
/// # Errors
/// When the package can neither be downloaded nor was unpacked before.
pub fn unpack(package: &str, suite: Suite, cache: &Path) -> io::Result<PathBuf> {
    let home = cache.join("packages").join(suite.newest()).join(package);
    fs::create_dir_all(&home)?;
    match download(package, suite, &home) {
        Ok(folder) => Ok(folder),
        Err(error) => newest_folder(&home).ok_or(error),
    }
}

fn download(package: &str, suite: Suite, home: &Path) -> io::Result<PathBuf> {
    let Lists { options, _lock } = options_for(suite)?;
    let out = Command::new("apt-cache").args(&options).args(["show", "--no-all-versions", package]).output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let version = text.lines().find_map(|line| line.strip_prefix("Version: ")).ok_or_else(|| {
        let values = [("suite", suite.newest()), ("package", package)];
        io::Error::other(say("%{suite} has no package %{package}", &values))
    })?;
    let folder = home.join(version.replace([':', '/', '~'], "_"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let fresh = home.join(format!(".unpacking-{}", std::process::id()));
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh)?;
    let mut apt = Command::new("apt-get");
    apt.current_dir(&fresh).args(&options).args(["download", "-q", package]);
    follow(apt, &say("downloading %{package}", &[("package", package)]))?;
    let deb = fs::read_dir(&fresh)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "deb"))
        .ok_or_else(|| io::Error::other(say("apt-get download %{package} left no .deb", &[("package", package)])))?;
    let mut dpkg = Command::new("dpkg-deb");
    dpkg.arg("-x").arg(&deb).arg(&fresh);
    follow(dpkg, &say("unpacking %{package}", &[("package", package)]))?;
    fs::remove_file(deb)?;
    fs::rename(&fresh, &folder)?;
    Ok(folder)
}

/// Unpacks `package` of `suite` in the version that Debian made of the release `upstream`, has `keep` move what is wanted of it into another
/// folder, and returns that one: it is below `cache`, and what is there is used without asking anybody.
///
/// # Errors
/// When the suite has no such version, or it cannot be downloaded.
pub fn keep_of(
    package: &str,
    upstream: &str,
    suite: Suite,
    cache: &Path,
    keep: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let folder = cache.join("packages").join(suite.newest()).join(package).join(upstream);
    if folder.is_dir() {
        return Ok(folder);
    }
    let Lists { options, _lock } = options_for(suite)?;
    if folder.is_dir() {
        // Another run was first.
        return Ok(folder);
    }
    let out = Command::new("apt-cache").args(&options).args(["madison", package]).output()?;
    let version = version_of(&String::from_utf8_lossy(&out.stdout), upstream).ok_or_else(|| {
        let values = [("suite", suite.newest()), ("package", &format!("{package} {upstream}"))];
        io::Error::other(say("%{suite} has no package %{package}", &values))
    })?;
    fs::create_dir_all(folder.with_file_name(""))?;
    let (unpacked, kept) = (fresh_beside(&folder.with_file_name("all"))?, fresh_beside(&folder)?);
    let unpack = || {
        let mut apt = apt_get(Rights::of_this_process(), &["download", "-q"]);
        apt.arg(format!("{package}={version}")).current_dir(&unpacked).args(&options);
        follow(apt, &say("downloading %{package}", &[("package", package)]))?;
        for deb in fs::read_dir(&unpacked)?.filter_map(Result::ok).map(|entry| entry.path()) {
            let mut dpkg = Command::new("dpkg-deb");
            dpkg.arg("-x").arg(&deb).arg(&unpacked);
            follow(dpkg, &say("unpacking %{package}", &[("package", package)]))?;
        }
        keep(&unpacked, &kept)?;
        fs::rename(&kept, &folder)
    };
    let made = unpack();
    // Whatever became of it; the one that is kept has another name by now.
    for left in [&unpacked, &kept] {
        let _ = fs::remove_dir_all(left);
    }
    made.map(|()| folder)
}

/// Of `apt-cache madison` (` package | version | where it is from`) the version that is made of the release `upstream`.
fn version_of(madison: &str, upstream: &str) -> Option<String> {
    let versions = madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let is_of = |version: &&str| version.strip_prefix(upstream).is_some_and(|rest| rest.starts_with(['+', '-', '~']));
    versions.filter(|version| !upstream.is_empty() && is_of(version)).map(str::to_owned).next()
}

/// Unpacks `packages` of `suite` together below `folder`, which must exist; their versions, in the order of `packages`.
/// `NAME/*` is all that the package `NAME` depends on, one step deep: what its name does not tell, being the version's.
///
/// # Errors
/// When one of them cannot be downloaded.
pub fn unpack_all(packages: &[&str], suite: Suite, folder: &Path) -> io::Result<Vec<String>> {
    let Lists { options, _lock } = options_for(suite)?;
    let archives = folder.join("archives");
    fs::create_dir_all(&archives)?;
    let mut apt = apt_get(Rights::of_this_process(), &["download", "-q"]);
    apt.current_dir(&archives).args(&options);
    for package in packages {
        match package.strip_suffix("/*") {
            Some(package) => drop(apt.args(dependencies(package, &options)?)),
            None => drop(apt.arg(package)),
        }
    }
    follow(apt, &say("downloading %{package}", &[("package", packages[0])]))?;
    let mut versions = vec![String::new(); packages.len()];
    for entry in fs::read_dir(&archives)? {
        let deb = entry?.path();
        let mut dpkg = Command::new("dpkg-deb");
        dpkg.arg("-x").arg(&deb).arg(folder);
        let shown = deb.display().to_string();
        follow(dpkg, &say("unpacking %{package}", &[("package", &shown)]))?;
        let out = Command::new("dpkg-deb")
            .arg("--show")
            .args(["--showformat", "${Package} ${Version}"])
            .arg(&deb)
            .output()?;
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let known = text.split_once(' ').and_then(|(name, version)| {
            let place = packages.iter().position(|package| *package == name)?;
            Some((place, version))
        });
        if let Some((place, version)) = known {
            version.clone_into(&mut versions[place]);
        }
    }
    fs::remove_dir_all(&archives)?;
    Ok(versions)
}

/// The names of what `package` depends on.
fn dependencies(package: &str, options: &[String]) -> io::Result<Vec<String>> {
    let out = Command::new("apt-cache").args(options).args(["show", "--no-all-versions", package]).output()?;
    let text = String::from_utf8_lossy(&out.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    Ok(line.split(',').filter_map(|one| one.split_whitespace().next()).map(str::to_owned).collect())
}

fn newest_folder(home: &Path) -> Option<PathBuf> {
    fs::read_dir(home)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        .max_by_key(|entry| entry.metadata().and_then(|meta| meta.modified()).ok())
        .map(|entry| entry.path())
}

/// Unpacks `package` of `suite`, made for `architecture` (`i386`), into `folder`.
///
/// # Errors
/// When it cannot be downloaded; `folder` is then as it was.
pub fn unpack_for(package: &str, architecture: &str, suite: Suite, folder: &Path) -> io::Result<()> {
    let Lists { mut options, _lock } =
        options_at(suite, &format!("{}-{architecture}", suite.newest()), Some(architecture))?;
    // What is installed here is of this machine's architecture, and of no meaning for another's packages.
    options.extend(["-o".to_owned(), "Dir::State::status=/dev/null".to_owned()]);
    let fresh = fresh_beside(folder)?;
    let mut apt = apt_get(Rights::of_this_process(), &["download", "-q", package]);
    apt.current_dir(&fresh).args(&options);
    follow(apt, &say("downloading %{package}", &[("package", package)]))?;
    for deb in fs::read_dir(&fresh)?.filter_map(Result::ok).map(|entry| entry.path()) {
        let mut dpkg = Command::new("dpkg-deb");
        dpkg.arg("-x").arg(&deb).arg(&fresh);
        follow(dpkg, &say("unpacking %{package}", &[("package", package)]))?;
        fs::remove_file(deb)?;
    }
    fs::rename(fresh, folder)
}

/// An empty folder that can be renamed to `folder`.
fn fresh_beside(folder: &Path) -> io::Result<PathBuf> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let fresh = folder.with_file_name(format!(".unpacking-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh)?;
    Ok(fresh)
}

/// The lists of a suite, kept as they are while the value lives: apt itself does not wait for another apt that refreshes them.
struct Lists {
    options: Vec<String>,
    _lock: fs::File,
}

/// The apt options that make it read `suite` and nothing else; refreshes its lists.
fn options_for(suite: Suite) -> io::Result<Lists> {
    options_at(suite, suite.newest(), None)
}

/// Likewise for packages of another architecture, with lists in the folder `home` of the cache.
fn options_at(suite: Suite, home: &str, architecture: Option<&str>) -> io::Result<Lists> {
    let home = crate::cache().join("apt").join(home);
    let lists = home.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let lock = fs::File::create(home.join("lock"))?;
    lock.lock()?;
    let mirror = mirror()?;
    let sources = home.join("sources.list");
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let text: String =
        suite.names().iter().map(|name| format!("deb [signed-by={keyring}] {mirror} {name} main\n")).collect();
    fs::write(&sources, text)?;
    let options: Vec<String> = [
        format!("Dir::Etc::sourcelist={}", sources.display()),
        "Dir::Etc::sourceparts=-".into(),
        format!("Dir::State::lists={}", lists.display()),
        // apt's own sandbox user cannot read a cache below a home directory.
        "APT::Sandbox::User=root".into(),
        // A mirror may serve a snapshot whose Release file has passed its date; signatures are still checked.
        "Acquire::Check-Valid-Until=false".into(),
        "Acquire::Languages=none".into(),
    ]
    .into_iter()
    .chain(architecture.map(|name| format!("APT::Architecture={name}")))
    .chain(architecture.map(|name| format!("APT::Architectures::={name}")))
    .flat_map(|option| ["-o".to_owned(), option])
    .collect();
    let mut update = apt_get(Rights::of_this_process(), &["update", "-q"]);
    update.args(&options);
    follow(update, &say("reading the package lists of %{suite}", &[("suite", suite.newest())]))?;
    Ok(Lists { options, _lock: lock })
}

/// The Debian mirror that this machine's own sources name (one-line or deb822 style).
///
/// # Errors
/// When they name none.
pub fn mirror() -> io::Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
    }
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| mirror_in(&text))
        .ok_or_else(|| io::Error::other(say("no Debian mirror in /etc/apt: Berth is developed on Debian 12", &[])))
}

fn mirror_in(sources: &str) -> Option<String> {
    let lines = sources.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter(|line| line.starts_with("URIs:") || line.starts_with("deb "))
        .flat_map(str::split_whitespace)
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
        .map(|word| word.trim_end_matches('/').to_owned())
}

/// How this process may act as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    Root,
    Sudo,
    None,
}

impl Rights {
    fn of_this_process() -> Self {
        if is_root() {
            return Self::Root;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        if std::env::split_paths(&path).any(|folder| folder.join("sudo").is_file()) { Self::Sudo } else { Self::None }
    }
}

/// Whether this process is root's.
pub fn is_root() -> bool {
    geteuid() == 0
}

fn apt_get(rights: Rights, arguments: &[&str]) -> Command {
    let mut command = match rights {
        Rights::Sudo => {
            let mut sudo = Command::new("sudo");
            sudo.arg("DEBIAN_FRONTEND=noninteractive").arg("apt-get");
            sudo
        }
        // Without rights apt itself says what it misses: reading lists into a folder of one's own may do.
        Rights::Root | Rights::None => Command::new("apt-get"),
    };
    // A fresh system may be installing its own updates just then: apt waits for them, so many seconds.
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=600"]).args(arguments);
    command
}

unsafe extern "C" {
    /// `geteuid(2)`, from the libc that std links anyway.
    safe fn geteuid() -> u32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_of_one_release() {
        let madison = " rust-src | 1.97.1+dfsg1-1~bpo13+1 | http://m.example/debian trixie-backports/main amd64 Packages\n \
                       rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://m.example/debian trixie-backports/main amd64 Packages\n \
                       rust-src | 1.85.1-1+deb13u1 | http://m.example/debian trixie/main amd64 Packages\n";
        let check = |upstream, expect: Option<&str>| assert_eq!(version_of(madison, upstream).as_deref(), expect);
        check("1.95.0", Some("1.95.0+dfsg1-2~bpo13+1"));
        check("1.85.1", Some("1.85.1-1+deb13u1"));
        check("1.96.0", None);
        check("1.9", None);
        check("", None);
    }

    #[test]
    fn the_mirror_is_found_in_both_styles() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(mirror_in(text).as_deref(), expect, "{text}");
        check("deb https://m.example/debian bookworm main", Some("https://m.example/debian"));
        check("deb [signed-by=/k.gpg] http://m.example/debian/ bookworm main", Some("http://m.example/debian"));
        check(
            "Types: deb\n# http://old.example/debian\nURIs: http://m.example/debian\n",
            Some("http://m.example/debian"),
        );
        check("URIs: http://m.example/debian-security\n", None);
    }
}
