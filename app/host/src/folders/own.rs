//! Where Berth's own folders are: by each name that leads to them, and with what they lead to.

use std::path::{Component, Path, PathBuf};

use super::windows;

/// So many links, and ways up in them, may follow one another; the kernel follows forty links.
const STEPS: usize = 256;
/// What counts lies so deep at most: `machines/NAME/machine/disk.raw`.
const DEPTH: usize = 4;

/// Each path on the way to one of `folders`, and on the way to what a link in one of them leads to: whoever could put something else in
/// the place of a link would change what is read by it.
pub(super) fn places(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = folders.iter().flat_map(|folder| ways(folder)).collect();
    folders.iter().for_each(|folder| links_in(folder, DEPTH, &mut all));
    // What is there may be called otherwise yet: by a short name of Windows (`RUNNER~1`).
    all.extend(folders.iter().filter_map(|folder| folder.canonicalize().ok()).map(windows::plain));
    all
}

fn links_in(folder: &Path, depth: usize, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_symlink() => all.extend(ways(&entry.path())),
            Ok(kind) if kind.is_dir() && depth > 1 => links_in(&entry.path(), depth - 1, all),
            _ => {}
        }
    }
}

/// The path, and what it is with one link, or way up, after the other replaced by what it leads to; the last one has none.
fn ways(path: &Path) -> Vec<PathBuf> {
    std::iter::successors(Some(path.to_path_buf()), |path| without_the_first(path)).take(STEPS).collect()
}

/// `None`: there is none.
fn without_the_first(path: &Path) -> Option<PathBuf> {
    let mut before = PathBuf::new();
    let mut parts = path.components();
    while let Some(part) = parts.next() {
        match part {
            // There was no link before it.
            Component::ParentDir => {
                before.pop();
                before.extend(parts);
                return Some(before);
            }
            part => before.push(part),
        }
        if let Ok(target) = before.read_link() {
            before.pop();
            before.push(target);
            before.extend(parts);
            return Some(before);
        }
    }
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_link_on_the_way_is_berths_own() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("dotfiles/config/berth/machines/work")).unwrap();
        symlink("dotfiles", top.join("linked")).unwrap();
        symlink("./linked/../linked/config", top.join(".config")).unwrap();
        fs::write(top.join("dotfiles/settings"), "").unwrap();
        symlink("../../settings", top.join("dotfiles/config/berth/settings.toml")).unwrap();
        symlink(top.join("dotfiles/none"), top.join("dotfiles/config/berth/machines/work/tls")).unwrap();
        let places = places(&[top.join(".config/berth"), top.join("not-yet/berth")]);
        for path in [
            ".config/berth",
            "linked/config/berth",
            "dotfiles/config/berth",
            "not-yet/berth",
            "dotfiles/settings",
            "dotfiles/none",
        ] {
            assert!(places.contains(&top.join(path)), "{path}: {places:?}");
        }
        assert!(!places.contains(&top.join("dotfiles")) && !places.contains(&top));
    }

    #[test]
    fn a_ring_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(places(&[dir.path().join("a")]).len() <= STEPS);
    }
}
