//! Images made for a case, as the archives that `docker load` takes.

use sha2::{Digest, Sha256};

/// A docker archive of an image named `reference` with these layers, each a tar. No other image equals it, since its name is
/// a label of it.
///
/// # Errors
/// Never in memory; what `tar` reports.
pub fn docker(reference: &str, layers: &[Vec<u8>]) -> std::io::Result<Vec<u8>> {
    docker_with(reference, layers, &serde_json::json!({ "Labels": { "name": reference } }))
}

/// The same with a configuration of its own.
///
/// # Errors
/// Never in memory; what `tar` reports.
pub fn docker_with(reference: &str, layers: &[Vec<u8>], config: &serde_json::Value) -> std::io::Result<Vec<u8>> {
    docker_for("linux/amd64", reference, layers, config)
}

/// The same for a platform, `os/architecture`.
///
/// # Errors
/// Never in memory; what `tar` reports.
pub fn docker_for(
    platform: &str,
    reference: &str,
    layers: &[Vec<u8>],
    config: &serde_json::Value,
) -> std::io::Result<Vec<u8>> {
    let (os, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
    let names: Vec<String> = (0..layers.len()).map(|number| format!("layer{number}.tar")).collect();
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(&Sha256::digest(layer)))).collect();
    let config = serde_json::json!({
        "architecture": architecture, "os": os, "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": [reference], "Layers": names }]);
    let mut archive = tar::Builder::new(Vec::new());
    for (name, layer) in names.iter().zip(layers) {
        append(&mut archive, name, layer)?;
    }
    append(&mut archive, "config.json", config.to_string().as_bytes())?;
    append(&mut archive, "manifest.json", manifest.to_string().as_bytes())?;
    archive.into_inner()
}

/// A layer with one file `name` of `size` bytes that do not compress; `seed` tells one from another.
///
/// # Errors
/// Never in memory; what `tar` reports.
pub fn noise(name: &str, seed: u64, size: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size + 32);
    let mut block = Sha256::digest(seed.to_le_bytes());
    while bytes.len() < size {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes.truncate(size);
    file(name, &bytes)
}

/// A layer with one file.
///
/// # Errors
/// Never in memory; what `tar` reports.
pub fn file(name: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, name, bytes)?;
    layer.into_inner()
}

/// A layer with one program.
///
/// # Errors
/// Never in memory; what `tar` reports.
pub fn program(name: &str, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    append_as(&mut layer, name, bytes, 0o755)?;
    layer.into_inner()
}

/// Adds one file.
///
/// # Errors
/// Never in memory; what `tar` reports.
pub fn append(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    append_as(archive, name, bytes, 0o644)
}

fn append_as(archive: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
