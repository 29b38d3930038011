//! `docker compose`, as a plug-in of the docker CLI.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

pub(crate) fn client() -> Client {
    Client {
        name: "compose",
        title: "docker compose",
        recipe: Recipe::Debian(&["docker-compose"], "2.40.3"),
        nouns: Nouns::Scripts("sh", script),
        on: crate::everywhere,
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("sh");
    command.arg("-eu").arg(script);
    command.env("COMPOSE_PLUGIN", installation.join("usr/libexec/docker/cli-plugins/docker-compose"));
    Ok(command)
}
