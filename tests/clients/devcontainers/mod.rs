//! The Dev Containers CLI. Its containers have a folder of this machine in them, which the machine has not yet.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

pub(crate) fn client() -> Client {
    Client {
        name: "devcontainers",
        title: "Dev Containers CLI",
        recipe: Recipe::Together(&[Recipe::Npm(&[("@devcontainers/cli", "0.89.0")]), crate::compose::RECIPE]),
        nouns: Nouns::Scripts("sh", script),
        on: |kind, _| !kind.is_machine(),
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("sh");
    command.arg("-eu").arg(script).env("DEVCONTAINER", installation.join("node_modules/.bin/devcontainer"));
    crate::compose::plug_in(&mut command, installation);
    Ok(command)
}
