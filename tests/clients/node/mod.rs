//! The npm package `dockerode`.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

pub(crate) fn client() -> Client {
    Client {
        name: "node",
        title: "dockerode (Node.js)",
        recipe: Recipe::Npm(&[("dockerode", "5.0.1")]),
        nouns: Nouns::Scripts("js", script),
        on: crate::natively,
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("node");
    command.arg(script).env("NODE_PATH", installation.join("node_modules"));
    Ok(command)
}
