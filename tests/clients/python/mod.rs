//! The Python package `docker`.

use std::path::Path;
use std::process::Command;

use crate::install::Recipe;
use crate::{Client, Nouns};

pub(crate) fn client() -> Client {
    Client {
        name: "python",
        title: "docker (Python)",
        recipe: Recipe::Pip(&["docker==7.2.0"]),
        nouns: Nouns::Scripts("py", script),
        on: crate::everywhere,
    }
}

fn script(installation: &Path, script: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new("python3");
    // The tree stays as git has it.
    command.arg("-B").arg(script).env("PYTHONPATH", installation);
    Ok(command)
}
