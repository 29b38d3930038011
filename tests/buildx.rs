//! Folders that are built by the stock CLI with its buildx plugin.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use installers::debian::{self, Suite};
use tests::case::Case;
use tests::docker::{Said, said};
use tests::limit;

type Result = anyhow::Result<()>;

/// Debian's newest, unpacked unless one is there: Docker's own CLI of today has no builder without it. To be asked for first where
/// there is a network.
pub(crate) fn plugin() -> anyhow::Result<&'static Path> {
    static PLUGIN: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let installed = PLUGIN.get_or_init(|| {
        let here = tests::cache().join("packages").join(Suite::Sid.newest()).join("docker-buildx");
        let program = |folder: PathBuf| folder.join("usr/libexec/docker/cli-plugins/docker-buildx");
        let unpacked = std::fs::read_dir(&here).into_iter().flatten().flatten().map(|entry| program(entry.path()));
        if let Some(unpacked) = unpacked.filter(|program| program.is_file()).max() {
            return Ok(unpacked);
        }
        let folder = debian::unpack("docker-buildx", Suite::Sid, &tests::cache());
        folder.map(program).map_err(|error| error.to_string())
    });
    installed.as_deref().map_err(|error| anyhow::anyhow!("docker-buildx could not be installed: {error}"))
}

/// A folder to build, and beside it the CLI's configuration with the plugin.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> anyhow::Result<Folder> {
        let folder = tempfile::tempdir()?;
        let plugins = folder.path().join("config/cli-plugins");
        std::fs::create_dir_all(&plugins)?;
        std::os::unix::fs::symlink(plugin()?, plugins.join("docker-buildx"))?;
        let folder = Folder(folder);
        for (name, text) in files {
            folder.write(name, text)?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("files")
    }

    /// The CLI's configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.0.path().join("config")
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        Ok(std::fs::write(path, text)?)
    }

    pub(crate) fn command(&self, case: &Case<'_>, arguments: &[&str]) -> Command {
        self.docker(case, &[&["build"], arguments].concat())
    }

    pub(crate) fn docker(&self, case: &Case<'_>, arguments: &[&str]) -> Command {
        let mut command = case.command(arguments);
        command.env("DOCKER_CONFIG", self.config()).env("BUILDKIT_PROGRESS", "plain");
        command.env_remove("DOCKER_BUILDKIT").current_dir(self.path());
        command
    }

    pub(crate) fn build(&self, case: &Case<'_>, arguments: &[&str]) -> anyhow::Result<Said> {
        said(limit::output(&mut self.command(case, arguments))?)
    }

    /// What a build that has to succeed says of its steps.
    pub(crate) fn built(&self, case: &Case<'_>, arguments: &[&str]) -> anyhow::Result<String> {
        let said = self.build(case, arguments)?;
        ensure!(said.code == 0, "{said:?}");
        Ok(said.err)
    }
}
