//! Which files are in the app, and where: data, before anything is written.
//!
//! `Contents/MacOS/berth` finds the guest image for its own processor in `Contents/Resources/image` (`app/host/src/paths.rs`).

use std::collections::BTreeSet;

use guest_image::Architecture;

use super::images::images;
use super::info;
use super::tree::Tree;
use super::universal::{self, sets};
use crate::plan::{Content, File, IMAGE, Inputs, LICENCE, gzip, present};
use crate::{Error, Result};

/// The app's folder.
pub const APP: &str = "Berth.app";
/// The program that the app's icon starts.
pub const WINDOW: &str = "berth-desktop";
/// The programs.
pub const PROGRAMS: [&str; 3] = ["berth", WINDOW, "docker-credential-berth"];
/// Where the programs are in the app.
pub const PROGRAMS_AT: &str = "Contents/MacOS";
/// The app's icon.
pub const ICON: &str = "icon.icns";
const ICON_BYTES: &[u8] = include_bytes!("../../../../app/icons/icon.icns");
const CHANGES: &str = include_str!("../../../../docs/CHANGELOG.md");

/// All files, sorted by where they go: relative to the folder that the app lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub files: Vec<File>,
    /// The kinds of Mac it is for, sorted by their names.
    pub architectures: Vec<Architecture>,
}

impl Plan {
    /// # Errors
    /// When a program or a part of an image is not there, a program is none for macOS or not for users, or not all are for the same Macs.
    pub fn of(inputs: &Inputs) -> Result<Plan> {
        let mut files = Vec::new();
        let mut put = |to: &str, content: Content, mode: u32| {
            files.push(File { to: format!("{APP}/Contents/{to}"), content, mode })
        };
        put("Info.plist", Content::Bytes(info::info(&inputs.version)), 0o644);
        put("PkgInfo", Content::Bytes(b"APPL????".to_vec()), 0o644);
        put(&format!("Resources/{ICON}"), Content::Bytes(ICON_BYTES.to_vec()), 0o644);
        let mut architectures = None;
        for program in PROGRAMS {
            let (content, found) = universal::program(&sets(&inputs.programs), program)?;
            alike(&mut architectures, found, program)?;
            put(&format!("MacOS/{program}"), content, 0o755);
        }
        let macs = architectures.unwrap_or_default();
        for (name, image) in images(&inputs.image, &macs)? {
            for part in IMAGE {
                put(&format!("Resources/image/{name}/{part}"), Content::At(present(image.join(part))?), 0o644);
            }
        }
        let made = &inputs.made;
        for (name, script) in [("berth.bash", &made.bash), ("_berth", &made.zsh), ("berth.fish", &made.fish)] {
            put(&format!("Resources/completions/{name}"), Content::Bytes(script.clone().into_bytes()), 0o644);
        }
        for page in &made.pages {
            let text = gzip(page.text.as_bytes(), inputs.effort);
            put(&format!("Resources/man/{}/{}.gz", page.folder, page.name), Content::Bytes(text), 0o644);
        }
        let papers = [
            ("LICENSE.txt", LICENCE),
            ("third-party-notices.txt", &inputs.notices),
            ("sbom.cdx.json", &inputs.sbom),
            ("changelog.txt", CHANGES),
        ];
        for (name, text) in papers {
            put(&format!("Resources/{name}"), Content::Bytes(text.as_bytes().to_vec()), 0o644);
        }
        files.sort_by(|one, other| one.to.cmp(&other.to));
        let is_for = |architecture: &Architecture| macs.contains(architecture.name());
        let mut architectures: Vec<Architecture> = Architecture::ALL.into_iter().filter(is_for).collect();
        architectures.sort_by_key(|architecture| architecture.name());
        Ok(Plan { files, architectures })
    }

    /// The app with what is in it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::default();
        for file in &self.files {
            tree.file(&file.to, file.mode, file.content.read()?);
        }
        Ok(tree)
    }

    /// As a part of a package's name: `arm64`, `x86_64`, or `universal` for both.
    pub fn macs(&self) -> &'static str {
        match *self.architectures {
            [only] => apples(only),
            _ => "universal",
        }
    }
}

/// Apple's name of a processor.
pub(crate) fn apples(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Aarch64 => "arm64",
        Architecture::X86_64 => "x86_64",
    }
}

/// Remembers what the first one is for; tells of another that is for other Macs.
pub(super) fn alike(all: &mut Option<BTreeSet<&'static str>>, found: BTreeSet<&'static str>, what: &str) -> Result<()> {
    let all = all.get_or_insert_with(|| found.clone());
    if *all == found {
        return Ok(());
    }
    let told = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(" and ");
    Err(Error::OtherMacs { what: what.to_owned(), found: told(&found), wanted: told(all) })
}
