//! What is done once at start: half-finished creates and removes are finished.

use std::collections::BTreeSet;
use std::path::Path;

use store::{Durability, Table};

use crate::mounting::unmount_all;
use crate::{Error, Result, Volume, delete_tree, make_directory, now, volume};

/// The prefix of directories on their way out; no volume's name can start with a dot.
const REMOVED: &str = ".removed-";
/// What ends the volume's name before a number; no volume's name can have one.
const MARK: char = '@';

/// The directory of the volume `name` on its way out; with a number where others of that name are on theirs.
pub(crate) fn removed_name(name: &str, number: u64) -> String {
    match number {
        0 => format!("{REMOVED}{name}"),
        number => format!("{REMOVED}{name}{MARK}{number}"),
    }
}

pub(crate) async fn recover(root: &Path, table: &Table<Volume>) -> Result<()> {
    let io = |source| Error::Io { action: "open", path: root.to_owned(), source };
    std::fs::create_dir_all(root).map_err(io)?;
    let mut known: BTreeSet<String> = table.all()?.into_iter().map(|(name, _)| name).collect();
    for entry in std::fs::read_dir(root).map_err(io)? {
        let entry = entry.map_err(io)?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str() else { continue };
        if let Some(removed) = name.strip_prefix(REMOVED) {
            let removed = removed.split_once(MARK).map_or(removed, |(name, _)| name);
            // The record outlived the rename unless the volume was made anew since.
            if known.contains(removed) && !root.join(removed).exists() {
                table.remove(removed, Durability::Durable).await?;
                known.remove(removed);
            }
            // Its removal may have been cut off with something mounted there, which is not ours to empty.
            let data = entry.path().join("_data");
            match unmount_all(&data) {
                Ok(()) => delete_tree(entry.path()).await?,
                Err(error) => tracing::warn!(path = %data.display(), "a removed volume stays mounted: {error}"),
            }
        } else if !known.contains(name) && volume::check_name(name).is_ok() {
            adopt(&entry.path(), name, table).await?;
        }
    }
    let mounts = layers::mount_table::read().map_err(io)?;
    let mounted: BTreeSet<&Path> = mounts.iter().map(|mount| mount.point.as_path()).collect();
    for name in known {
        let data = root.join(&name).join("_data");
        // What is mounted there may not answer, and is none of ours to finish.
        if mounted.contains(data.as_path()) {
            continue;
        }
        make_directory(&data)?;
        let finished = crate::fill::finish(&root.join(&name));
        finished.map_err(|source| Error::Io { action: "finish the first copy to", path: root.join(name), source })?;
    }
    Ok(())
}

/// A directory without a record: an interrupted create left it empty; anything else is somebody's data and becomes a volume again.
async fn adopt(directory: &Path, name: &str, table: &Table<Volume>) -> Result<()> {
    let data = directory.join("_data");
    let empty = |path: &Path| std::fs::read_dir(path).map(|mut entries| entries.next().is_none()).unwrap_or(true);
    if empty(&data) {
        // Neither call removes anything that has content.
        let _ = std::fs::remove_dir(&data);
        if let Err(error) = std::fs::remove_dir(directory) {
            tracing::warn!(path = %directory.display(), "left-over volume directory not removed: {error}");
        }
        return Ok(());
    }
    tracing::warn!(volume = name, "volume without a record taken over");
    let volume = Volume { name: name.to_owned(), created: now(), ..Volume::default() };
    table.put(name, &volume, Durability::Durable).await?;
    Ok(())
}
