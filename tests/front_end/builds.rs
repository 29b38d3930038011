//! What the contract finds in the engine's history of builds: the same two as in the simulated one's (`ui/tests/contract/scene.ts`).

use anyhow::ensure;
use tests::buildx::Folder;
use tests::engine::Engine;

/// Builds one image, and fails to build another one behind it.
///
/// # Errors
/// When they do not end so: what the CLI said.
pub(crate) fn make(engine: &Engine) -> anyhow::Result<()> {
    let folder = Folder::new(&[
        ("Dockerfile.good", "FROM busybox\nRUN echo said; echo told >&2\n"),
        ("Dockerfile.bad", "FROM busybox\nRUN echo why; exit 7\n"),
    ])?;
    // Without the cache a second run over an engine that lives longer is as the first.
    folder.built(&engine.docker, &["--no-cache", "-t", "contract-built:1", "-f", "Dockerfile.good", "."])?;
    let failed = folder.build(&engine.docker, &["--no-cache", "-f", "Dockerfile.bad", "."])?;
    ensure!(failed.code == 1 && failed.err.contains("exit code: 7"), "{failed:?}");
    Ok(())
}
