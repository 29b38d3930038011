//! Which files are installed on Windows, and where: data, before anything is written.
//!
//! As below `/usr`: `bin\berth.exe` finds the guest image in `lib\berth\image` beside `bin` (`app/host/src/paths.rs`).

use std::collections::BTreeSet;

use crate::plan::{Content, File, IMAGE, Inputs, LICENCE, present};
use crate::{Result, programs};

/// The programs.
pub const PROGRAMS: [&str; 2] = ["berth.exe", "docker-credential-berth.exe"];
/// The icon of the shortcuts.
pub const ICON: &str = "berth.ico";
const ICON_BYTES: &[u8] = include_bytes!("../../../../app/icons/icon.ico");
const CHANGES: &str = include_str!("../../../../docs/CHANGELOG.md");

/// All files, sorted by where they go: relative to the folder of what is installed, with `\` between names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub files: Vec<File>,
}

impl Plan {
    /// # Errors
    /// When a program or a part of the image is not there, or a program is not for users.
    pub fn of(inputs: &Inputs) -> Result<Plan> {
        let mut files = Vec::new();
        for program in PROGRAMS {
            let from = programs::taken(inputs.programs.join(program))?;
            files.push(File { to: format!("bin\\{program}"), content: Content::At(from), mode: 0o755 });
        }
        for part in IMAGE {
            let from = present(inputs.image.join(part))?;
            files.push(File { to: format!("lib\\berth\\image\\{part}"), content: Content::At(from), mode: 0o644 });
        }
        let texts = [
            ("LICENSE.txt", LICENCE),
            ("third-party-notices.txt", &inputs.notices),
            ("sbom.cdx.json", &inputs.sbom),
            ("changelog.txt", CHANGES),
        ];
        for (name, text) in texts {
            let content = Content::Bytes(text.as_bytes().to_vec());
            files.push(File { to: format!("share\\doc\\berth\\{name}"), content, mode: 0o644 });
        }
        files.push(File { to: ICON.to_owned(), content: Content::Bytes(ICON_BYTES.to_vec()), mode: 0o644 });
        files.sort_by(|one, other| one.to.cmp(&other.to));
        Ok(Plan { files })
    }

    /// The folders that the files lie in, each after the one it lies in.
    pub fn folders(&self) -> BTreeSet<&str> {
        let above = |to: &'_ str| to.match_indices('\\').map(|(at, _)| at).collect::<Vec<_>>();
        self.files.iter().flat_map(|file| above(&file.to).into_iter().map(|at| &file.to[..at])).collect()
    }

    /// KiB, as Windows' list of programs tells it.
    ///
    /// # Errors
    /// When a file is not there.
    pub fn size(&self) -> Result<u64> {
        self.files.iter().map(|file| Ok(file.content.size()?.div_ceil(1024))).sum()
    }
}

/// Folder and name of a file of the plan; the folder of what is installed is the empty one.
pub(crate) fn split(to: &str) -> (&str, &str) {
    to.rsplit_once('\\').unwrap_or(("", to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_after_the_ones_they_lie_in() {
        let file = |to: &str| File { to: to.to_owned(), content: Content::Bytes(vec![0; 1025]), mode: 0o644 };
        let plan = Plan { files: vec![file("berth.ico"), file(r"bin\berth.exe"), file(r"lib\berth\image\vmlinuz")] };
        assert_eq!(plan.folders().into_iter().collect::<Vec<_>>(), ["bin", "lib", r"lib\berth", r"lib\berth\image"]);
        assert_eq!(plan.size().unwrap(), 6);
        assert_eq!((split("berth.ico"), split(r"lib\berth\x")), (("", "berth.ico"), (r"lib\berth", "x")));
    }
}
