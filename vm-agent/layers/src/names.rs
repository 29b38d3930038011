//! Names in archives: made clean, or refused.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Marks a deleted name (OCI image specification, "Whiteouts").
pub(crate) const WHITEOUT: &[u8] = b".wh.";
/// Marks a directory that hides everything beneath it (OCI image specification, "Opaque Whiteout").
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// Bookkeeping of AUFS that means nothing here.
pub(crate) const AUFS: &[u8] = b".wh..wh.";

/// The name relative to the layer's root without `.`, `..` and doubled slashes; empty for the root itself.
///
/// A leading slash means the root, as `dockerd` reads it. `None` when `..` climbs above the root.
pub(crate) fn clean(name: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part if part.contains(&0) => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The directory and the last part of a clean name.
pub(crate) fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&name[..slash], &name[slash + 1..]),
        None => (b"", name),
    }
}

/// `parent/name`, or `name` alone in the root.
pub(crate) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

/// True when a symbolic link in directory `parent` climbs above the root by its text alone, which `dockerd` refuses.
pub(crate) fn climbs(parent: &[u8], target: &[u8]) -> bool {
    !target.starts_with(b"/") && clean(&[parent, b"/", target].concat()).is_none()
}

/// The path of a clean name.
pub(crate) fn path(name: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(name))
}

/// Any bytes as text for JSON, one character a byte, so that names that are not UTF-8 survive.
pub(crate) fn to_text(name: &[u8]) -> String {
    name.iter().map(|byte| char::from(*byte)).collect()
}

/// Back from [`to_text`]; characters that it never makes are dropped.
pub(crate) fn from_text(text: &str) -> Vec<u8> {
    text.chars().filter_map(|char| u8::try_from(u32::from(char)).ok()).collect()
}

/// The deepest name that trees are walked to by recursion: more levels than an archive's names can spell usefully, few
/// enough for a thread's stack. Only a container that attacks nests deeper.
const DEEPEST: usize = 256;

/// True for a clean name with more levels than a walk may take.
pub(crate) fn too_deep(name: &[u8]) -> bool {
    name.iter().filter(|byte| **byte == b'/').count() >= DEEPEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_climbing_ones_refused() {
        for (name, expected) in [
            ("./", Some("")),
            ("/", Some("")),
            ("a/b/", Some("a/b")),
            ("/etc//x", Some("etc/x")),
            ("./a/../b", Some("b")),
            ("a/..", Some("")),
            ("..", None),
            ("../etc/passwd", None),
            ("a/../../b", None),
            ("/../x", None),
            ("a\0b", None),
        ] {
            assert_eq!(clean(name.as_bytes()).as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn links_climb_by_their_text() {
        assert!(climbs(b"", b"../x"));
        assert!(climbs(b"a/b", b"../../../etc"));
        assert!(!climbs(b"a/b", b"../../etc"));
        assert!(!climbs(b"a", b"/../etc"));
    }

    #[test]
    fn text_keeps_every_byte() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(from_text(&to_text(&all)), all);
    }
}
