//! Docker's own client in Go, as Debian packages it: its compiler and the libraries come from there too.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::install::Recipe;
use crate::{Client, Nouns};

pub(crate) fn client() -> Client {
    Client {
        name: "go",
        title: "Docker's Go SDK",
        recipe: Recipe::Debian(PACKAGES, "28.5.2"),
        nouns: Nouns::Scripts("go", script),
        on: crate::everywhere,
    }
}

/// The client first, then what it imports, then the compiler.
const PACKAGES: &[&str] = &[
    "golang-github-docker-docker-dev",
    "golang-github-cespare-xxhash-v2-dev",
    "golang-github-containerd-errdefs-dev",
    "golang-github-distribution-reference-dev",
    "golang-github-docker-go-connections-dev",
    "golang-github-docker-go-units-dev",
    "golang-github-felixge-httpsnoop-dev",
    "golang-github-go-logr-logr-dev",
    "golang-github-go-logr-stdr-dev",
    "golang-github-moby-docker-image-spec-dev",
    "golang-github-opencontainers-go-digest-dev",
    "golang-github-opencontainers-image-spec-dev",
    "golang-github-pkg-errors-dev",
    "golang-golang-x-net-dev",
    "golang-golang-x-sys-dev",
    "golang-opentelemetry-contrib-dev",
    "golang-opentelemetry-otel-dev",
    "golang-go",
    "golang-go/*",
    "golang-src/*",
];

/// The nouns are functions of one program, so that the client is linked once.
fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    static PROGRAM: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| build(installation).map_err(|error| format!("{error:#}")));
    let (_, program) = built.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut command = Command::new(program);
    command.arg(script.file_stem().context("a script has a name")?);
    Ok(command)
}

/// As the sources are laid out for a compiler that looks for no modules: Debian's libraries are none.
fn build(installation: &Path) -> anyhow::Result<(TempDir, PathBuf)> {
    let home = tempfile::tempdir()?;
    let sources = home.path().join("src/nouns");
    std::fs::create_dir_all(&sources)?;
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/go"))? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|e| e == "go")) {
            // The compiler passes over files that begin with an underscore.
            let name = name.to_string_lossy().trim_start_matches('_').to_owned();
            std::fs::copy(&path, sources.join(name))?;
        }
    }
    let program = home.path().join("program");
    let root = installation.join("usr/lib/go");
    let mut go = Command::new(root.join("bin/go"));
    go.args(["build", "-o"]).arg(&program).arg("nouns").current_dir(home.path());
    go.env("GOROOT", &root)
        .env("GO111MODULE", "off")
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOTOOLCHAIN", "local");
    // Beside the installation, so that only the nouns are compiled the next time.
    go.env("GOCACHE", installation.join("cache"));
    go.env("GOPATH", std::env::join_paths([home.path().to_owned(), installation.join("usr/share/gocode")])?);
    let out = go.output().context("starting the Go compiler")?;
    ensure!(out.status.success(), "the Go compiler said: {}", String::from_utf8_lossy(&out.stderr));
    Ok((home, program))
}
