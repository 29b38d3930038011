//! The images that ship with the machine: loaded once, and again when the machine brings other ones or the host says that a
//! reset took them away. A user who removed one does not find it back at the next boot.

use std::{
    io,
    path::{Path, PathBuf},
};

use images::{Images, Sink};
use store::{Durability, Store};

/// `renew`: also those that were loaded before. Loading what is there changes nothing.
pub(super) async fn load(directory: &Path, store: &Store, images: &Images, renew: bool) {
    let table = store.table::<String>("embedded-images");
    for archive in archives(directory) {
        let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let outcome = async {
            let content = tokio::fs::read(&archive).await?;
            let digest = layers::Digest::of(&content).to_string();
            if !renew && table.get(&name).map_err(io::Error::other)?.as_ref() == Some(&digest) {
                return Ok(());
            }
            images.load(io::Cursor::new(content), None, &Sink::silent()).await.map_err(io::Error::other)?;
            table.put(&name, &digest, Durability::Durable).await.map_err(io::Error::other)?;
            tracing::info!(image = name, "loaded an embedded image");
            io::Result::Ok(())
        };
        // An engine without them still pulls.
        if let Err(error) = outcome.await {
            tracing::error!(archive = %archive.display(), %error, "an embedded image was not loaded");
        }
    }
}

fn archives(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut archives: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "tar"))
        .collect();
    archives.sort();
    archives
}
