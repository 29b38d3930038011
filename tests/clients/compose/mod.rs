//! `docker compose`, as a plug-in of the docker CLI.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

/// For other clients that run it, too.
pub(crate) const RECIPE: Recipe = Recipe::Debian(&["docker-compose"], "2.40.3");

pub(crate) fn client() -> Client {
    Client {
        name: "compose",
        title: "docker compose",
        recipe: RECIPE,
        nouns: Nouns::Scripts("sh", script),
        on: crate::everywhere,
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("sh");
    command.arg("-eu").arg(script);
    plug_in(&mut command, installation);
    Ok(command)
}

/// Tells a script where the plug-in is that [`RECIPE`] installed.
pub(crate) fn plug_in(command: &mut Command, installation: &Path) {
    command.env("COMPOSE_PLUGIN", installation.join("usr/libexec/docker/cli-plugins/docker-compose"));
}
