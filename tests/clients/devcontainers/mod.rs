//! The Dev Containers CLI. Its containers have a folder of the user's computer in them.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

const BUILDX: Recipe = Recipe::Debian(&["docker-buildx"], "0.29.1");

pub(crate) fn client() -> Client {
    Client {
        name: "devcontainers",
        title: "Dev Containers CLI",
        recipe: Recipe::Together(&[Recipe::Npm(&[("@devcontainers/cli", "0.89.0")]), crate::compose::RECIPE, BUILDX]),
        nouns: Nouns::Scripts("sh", script),
        on: crate::natively,
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("sh");
    command.arg("-eu").arg(script).env("DEVCONTAINER", installation.join("node_modules/.bin/devcontainer"));
    crate::compose::plug_in(&mut command, installation);
    command.env("BUILDX_PLUGIN", installation.join("usr/libexec/docker/cli-plugins/docker-buildx"));
    Ok(command)
}
