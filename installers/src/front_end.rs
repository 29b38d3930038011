//! What the window's pages need (a Node new enough, their packages, a browser), and their checks and tests.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs::{self, Need, need};
use crate::step::follow;

/// Runs the pages' tests.
pub const BROWSER: &[Need] = &[need("chromium", "opens the pages"), need("fonts-noto-cjk", "shows them in Chinese")];

/// Whether the pages' tools run on this Node (major, minor): Vite wants `^20.19 || ^22.12 || >=24`, and Debian 12's is 18.
fn is_new_enough((major, minor): (u32, u32)) -> bool {
    match major {
        20 => minor >= 19,
        22 => minor >= 12,
        _ => major >= 24,
    }
}

/// What is fetched where the machine's is older: with an npm of its own, since Debian's finds its libraries only from Debian's Node.
const NODE: [&str; 2] = ["node@22", "npm@10"];

/// How the pages are built and tested: where `node` and `npm` are, and their folder.
#[derive(Debug, Clone)]
pub struct FrontEnd {
    folder: PathBuf,
    /// A folder with a newer `node` than the machine's own.
    node: Option<PathBuf>,
}

/// Its checks, each a script of `ui/package.json` that passes or fails as a whole.
pub const CHECKS: &[(&str, &str)] =
    &[("pages: formatting", "format:check"), ("pages: types", "check"), ("pages: bundle", "build")];

/// Its runners of tests, which say their results as Rust's own does.
pub const RUNNERS: &[(&str, &[&str])] = &[
    ("pages: units and contract", &["test", "--", "--reporter=./tests/report/vitest.ts"]),
    ("pages: in a browser", &["run", "test:pages"]),
];

impl FrontEnd {
    /// Installs what is missing: Node from the npm registry when the machine's is too old, the browser from Debian, the packages of
    /// `package-lock.json`.
    ///
    /// # Errors
    /// When one of them cannot be installed: which, and the installer's own words.
    pub fn prepare() -> io::Result<Self> {
        needs::install_missing(BROWSER)?;
        Self::to_build()
    }

    /// As [`FrontEnd::prepare`], without a browser: what builds the pages.
    ///
    /// # Errors
    /// As [`FrontEnd::prepare`].
    pub fn to_build() -> io::Result<Self> {
        needs::clients()?;
        let front_end = Self { folder: crate::workspace().join("ui"), node: newer_node()? };
        front_end.packages()?;
        Ok(front_end)
    }

    /// `npm ARGUMENTS` in the folder of the pages.
    pub fn npm(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("npm");
        command.current_dir(&self.folder).args(arguments);
        if let Some(node) = &self.node {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::iter::once(node.clone()).chain(std::env::split_paths(&path));
            // A folder of a PATH that was split has no colon.
            command.env("PATH", std::env::join_paths(folders).unwrap_or(path));
        }
        // What tests say is read by a program.
        command.env("NO_COLOR", "1").env_remove("FORCE_COLOR").env_remove("BERTH_ENGINE");
        // The usual one may be another checkout's. Vite says so where this one is taken meanwhile.
        if let Some(port) = free_port() {
            command.env("BERTH_PAGES_PORT", port.to_string());
        }
        // The suite `front_end` runs the cases that need a real engine.
        command.env("BERTH_ENGINE_LATER", "1");
        command
    }

    /// A folder to put before others on `PATH`, so that scripts find a Node new enough.
    pub fn node(&self) -> Option<&Path> {
        self.node.as_deref()
    }

    fn packages(&self) -> io::Result<()> {
        let wanted = fs::read(self.folder.join("package-lock.json"))?;
        let installed = self.folder.join("node_modules/.berth-lock");
        // Written last: an installation that was cut off is begun again.
        if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        follow(self.npm(&["ci", "--loglevel=error"]), "installing the packages of the pages")?;
        fs::write(installed, wanted)
    }
}

fn free_port() -> Option<u16> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).ok()?;
    Some(listener.local_addr().ok()?.port())
}

/// The folder with a newer `node`, when the machine's own is too old.
fn newer_node() -> io::Result<Option<PathBuf>> {
    if version_of(Path::new("node")).is_some_and(is_new_enough) {
        return Ok(None);
    }
    fetched_node(&crate::cache().join("node").join(NODE.join("+")))
}

/// The folder with the programs of [`NODE`], installed below `home` unless they are there.
fn fetched_node(home: &Path) -> io::Result<Option<PathBuf>> {
    let bin = home.join("node_modules/.bin");
    let runs = || version_of(&bin.join("node")).is_some_and(is_new_enough) && bin.join("npm").is_file();
    if !runs() {
        fs::create_dir_all(home)?;
        let mut npm = Command::new("npm");
        // The package brings the program by a script of its own.
        npm.args(["install", "--no-save", "--ignore-scripts=false", "--no-audit", "--no-fund", "--loglevel=error"]);
        npm.arg("--prefix").arg(home).args(NODE);
        follow(npm, "installing a newer Node")?;
    }
    if runs() {
        return Ok(Some(bin));
    }
    Err(io::Error::other(format!("the Node in {} was installed but does not run", bin.display())))
}

fn version_of(node: &Path) -> Option<(u32, u32)> {
    let out = Command::new(node).arg("--version").output().ok()?;
    parsed(&String::from_utf8_lossy(&out.stdout))
}

/// Of `v20.19.4`, the first two numbers.
fn parsed(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        let check = |text, expected| assert_eq!(parsed(text), expected, "{text}");
        check("v20.19.4\n", Some((20, 19)));
        check("v9.2.0", Some((9, 2)));
        check("20.19.4", None);
        check("v20", None);
        for (version, expected) in
            [((18, 20), false), ((20, 9), false), ((20, 19), true), ((22, 0), false), ((22, 12), true), ((24, 0), true)]
        {
            assert_eq!(is_new_enough(version), expected, "{version:?}");
        }
    }

    #[test]
    fn every_check_and_runner_is_a_script_of_the_pages() {
        let scripts = fs::read_to_string(crate::workspace().join("ui/package.json")).unwrap();
        let runners = RUNNERS.iter().map(|(_, arguments)| *arguments.iter().find(|word| **word != "run").unwrap());
        for script in CHECKS.iter().map(|(_, script)| *script).chain(runners) {
            assert!(scripts.contains(&format!("\"{script}\": ")), "{script}");
        }
    }
}
