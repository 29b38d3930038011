//! Testcontainers for Python, with the reaper that it starts.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

/// What it pulls by itself.
pub(crate) const REAPER: &str = "testcontainers/ryuk:0.8.1";

pub(crate) fn client() -> Client {
    Client {
        name: "testcontainers_python",
        title: "Testcontainers (Python)",
        recipe: Recipe::Together(&[Recipe::Pip(&["testcontainers==4.15.0", "docker==7.2.0"]), crate::compose::RECIPE]),
        nouns: Nouns::Scripts("py", script),
        on: crate::natively,
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("python3");
    // The tree stays as git has it.
    command.arg("-B").arg(script).env("PYTHONPATH", installation);
    // A machine that itself is a container has `/.dockerenv`, by which the client takes itself for a container of this engine.
    command.env("TESTCONTAINERS_CONNECTION_MODE", "docker_host");
    crate::compose::plug_in(&mut command, installation);
    Ok(command)
}
