//! Folders that are built by the stock CLI with its buildx plugin.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use installers::debian::{self, Suite};

use crate::docker::{Docker, Said, said};
use crate::limit;

/// Debian's newest, unpacked unless one is there: Docker's own CLI of today has no builder without it. To be asked for first where
/// there is a network.
///
/// # Errors
/// When it can neither be found nor be installed.
pub fn plugin() -> anyhow::Result<&'static Path> {
    static PLUGIN: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let installed = PLUGIN.get_or_init(|| {
        let here = crate::cache().join("packages").join(Suite::Sid.newest()).join("docker-buildx");
        let program = |folder: PathBuf| folder.join("usr/libexec/docker/cli-plugins/docker-buildx");
        let unpacked = std::fs::read_dir(&here).into_iter().flatten().flatten().map(|entry| program(entry.path()));
        if let Some(unpacked) = unpacked.filter(|program| program.is_file()).max() {
            return Ok(unpacked);
        }
        let folder = debian::unpack("docker-buildx", Suite::Sid, &crate::cache());
        folder.map(program).map_err(|error| error.to_string())
    });
    installed.as_deref().map_err(|error| anyhow::anyhow!("docker-buildx could not be installed: {error}"))
}

/// A folder to build, and beside it the CLI's configuration with the plugin.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// With these files, each with its text.
    ///
    /// # Errors
    /// Those of the disk and of [`plugin`].
    pub fn new(files: &[(&str, &str)]) -> anyhow::Result<Folder> {
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

    /// Where the files are.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("files")
    }

    /// The CLI's configuration.
    pub fn config(&self) -> PathBuf {
        self.0.path().join("config")
    }

    /// # Errors
    /// Those of the disk.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        Ok(std::fs::write(path, text)?)
    }

    /// `docker build` in it.
    pub fn command(&self, docker: &Docker, arguments: &[&str]) -> Command {
        self.docker(docker, &[&["build"], arguments].concat())
    }

    /// Any command of docker's in it, with the plugin.
    pub fn docker(&self, docker: &Docker, arguments: &[&str]) -> Command {
        let mut command = docker.command(arguments);
        command.env("DOCKER_CONFIG", self.config()).env("BUILDKIT_PROGRESS", "plain");
        command.env_remove("DOCKER_BUILDKIT").current_dir(self.path());
        command
    }

    /// Builds it, whatever the outcome.
    ///
    /// # Errors
    /// As [`Docker::run`].
    pub fn build(&self, docker: &Docker, arguments: &[&str]) -> anyhow::Result<Said> {
        said(limit::output(&mut self.command(docker, arguments))?)
    }

    /// What a build that has to succeed says of its steps.
    ///
    /// # Errors
    /// As [`Docker::ok`].
    pub fn built(&self, docker: &Docker, arguments: &[&str]) -> anyhow::Result<String> {
        let said = self.build(docker, arguments)?;
        ensure!(said.code == 0, "{said:?}");
        Ok(said.err)
    }
}
