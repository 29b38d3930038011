//! The crate `bollard`.

mod builds;
mod containers;

use anyhow::Context;
use bollard::Docker;

use crate::install::Recipe;
use crate::trial::Ground;
use crate::{Client, Nouns};

pub(crate) fn client() -> Client {
    Client {
        name: "rust",
        title: "bollard (Rust)",
        recipe: Recipe::Compiled("bollard"),
        nouns: Nouns::Functions(&[
            ("builds", builds::run),
            ("containers", containers::run),
            ("streams", containers::streams),
            ("things", containers::things),
        ]),
        on: crate::everywhere,
    }
}

/// A client of the engine, as it is where there is a socket.
fn connect(ground: &Ground<'_>) -> anyhow::Result<Docker> {
    Ok(Docker::connect_with_unix(ground.docker.host(), 120, bollard::API_DEFAULT_VERSION)?)
}

/// Runs `nouns` to its end, with a limit as the scripts have one.
fn on_a_runtime(noun: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(crate::trial::LIMIT, noun).await.context("stuck")? })
}
