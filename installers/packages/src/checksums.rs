//! SHA-256 of every artefact, as `sha256sum --check` reads it.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Result;
use crate::error::IoContext;

/// Its name.
pub const FILE: &str = "SHA256SUMS";

/// Writes it for the files `names` in `folder`, in their order.
///
/// # Errors
/// When one cannot be read, or it cannot be written.
pub fn write(folder: &Path, names: &[String]) -> Result<()> {
    let mut text = String::new();
    for name in names {
        let digest = digest(&folder.join(name))?;
        text.push_str(&format!("{digest}  {name}\n"));
    }
    let file = folder.join(FILE);
    fs::write(&file, text).at("write", file)
}

/// In lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file, in lower-case hexadecimal.
pub(crate) fn digest(file: &Path) -> Result<String> {
    Ok(hex(&Sha256::digest(fs::read(file).at("read", file)?)))
}
