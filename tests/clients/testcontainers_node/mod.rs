//! Testcontainers for Node.js, with the reaper that it starts.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

/// What it pulls by itself.
pub(crate) const REAPER: &str = "testcontainers/ryuk:0.14.0";

pub(crate) fn client() -> Client {
    Client {
        name: "testcontainers_node",
        title: "Testcontainers (Node.js)",
        recipe: Recipe::Together(&[Recipe::Npm(&[("testcontainers", "11.14.0")]), crate::compose::RECIPE]),
        nouns: Nouns::Scripts("js", script),
        on: crate::natively,
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("node");
    command.arg(script).env("NODE_PATH", installation.join("node_modules"));
    // A machine that itself is a container has `/.dockerenv`, by which the client takes itself for a container of this engine and asks
    // for ports at a gateway that is in the machine.
    command.env("TESTCONTAINERS_HOST_OVERRIDE", "localhost");
    crate::compose::plug_in(&mut command, installation);
    Ok(command)
}
