//! The image of the reaper that Testcontainers starts, made of our own program: no public registry need be reached.

use serde_json::json;

use crate::docker::Docker;
use crate::registry::Registry;
use crate::{archive, fixture};

/// Loads it into an engine as `reference`.
///
/// # Errors
/// When the program does not compile or the engine does not take the image.
pub fn load(docker: &Docker, reference: &str) -> anyhow::Result<()> {
    let program = std::fs::read(fixture::program("reaper")?)?;
    let config = json!({ "Cmd": ["/bin/ryuk"], "Labels": { "org.testcontainers.ryuk": "true" } });
    let image = archive::docker_with(reference, &[archive::program("bin/ryuk", &program)?], &config)?;
    let said = docker.fed(&image, &["load", "-q"])?;
    anyhow::ensure!(said.code == 0, "docker load: {said:?}");
    Ok(())
}

/// Has an engine push it to `registry`, for who pulls Docker Hub's `reference` through that mirror; the engine does not keep it.
///
/// # Errors
/// As [`load`], and when the registry does not take it.
pub fn publish(docker: &Docker, registry: &Registry, reference: &str) -> anyhow::Result<()> {
    let name = format!("{}/{reference}", registry.address());
    load(docker, &name)?;
    docker.ok(&["push", "-q", &name])?;
    docker.ok(&["rmi", &name])?;
    Ok(())
}
