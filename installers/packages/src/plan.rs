//! Which files are installed, where, and with which mode: data, before anything is written.
//!
//! The programs find the guest image from their own place: `bin/berth` has it in `lib/berth/image` beside `bin`
//! (`app/host/src/paths.rs`), below `/usr` as well as wherever the tarball is unpacked.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use installers::menu;

use crate::components::Components;
use crate::error::IoContext;
use crate::made::Made;
use crate::{Error, Result, notices, programs, sbom};

/// The programs, each with what it is for.
pub const PROGRAMS: [&str; 3] = ["berth", "berth-desktop", "docker-credential-berth"];
/// What of a guest image a machine needs. The embedded images are in the root once more.
pub(crate) const IMAGE: [&str; 4] = ["vmlinuz", "initramfs.cpio", "root.erofs", "manifest.json"];
const ICONS: [(&str, &[u8]); 3] = [
    ("32x32", include_bytes!("../../../app/icons/32x32.png")),
    ("128x128", include_bytes!("../../../app/icons/128x128.png")),
    ("512x512", include_bytes!("../../../app/icons/icon.png")),
];
pub(crate) const LICENCE: &str = include_str!("../../../LICENSE");
const CHANGES: &[u8] = include_bytes!("../../../docs/CHANGELOG.md");

/// What packages are made from.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// As cargo writes it: `0.2.0`, `0.2.0-rc.1`.
    pub version: String,
    /// The date of every file, in seconds since 1970.
    pub date: u32,
    /// The folder with the programs.
    pub programs: PathBuf,
    /// The folder of a guest image.
    pub image: PathBuf,
    pub made: Made,
    /// The third-party notices, as text.
    pub notices: String,
    /// The bill of materials, as JSON.
    pub sbom: String,
    /// 0 to 9: how hard gzip tries.
    pub effort: u32,
}

impl Inputs {
    /// Of what users are given: of this version, as small as it gets, with notices and a bill of materials of `components`.
    ///
    /// # Errors
    /// When a component's licence has no text.
    pub fn for_users(
        date: u32,
        made: Made,
        components: &Components,
        programs: PathBuf,
        image: PathBuf,
    ) -> Result<Inputs> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let (notices, sbom) = (notices::text(&version, components)?, sbom::text(&version, date, components));
        Ok(Inputs { version, date, programs, image, made, notices, sbom, effort: 9 })
    }
}

/// In which form it is given to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Deb,
    Rpm,
    Tarball,
}

/// One regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative to the root of what is installed: `usr/bin/berth`.
    pub to: String,
    pub content: Content,
    pub mode: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    At(PathBuf),
    Bytes(Vec<u8>),
}

impl Content {
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Content::At(path) => fs::read(path).at("read", path),
            Content::Bytes(bytes) => Ok(bytes.clone()),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn size(&self) -> Result<u64> {
        match self {
            Content::At(path) => Ok(fs::metadata(path).at("find", path)?.len()),
            Content::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// All files, sorted by where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub files: Vec<File>,
}

impl Plan {
    /// What is installed in this form.
    ///
    /// # Errors
    /// When a program or a part of the image is not there, or a program is not for users.
    pub fn of(inputs: &Inputs, form: Form) -> Result<Plan> {
        let mut plan = Collected { prefix: prefix(inputs, form), files: Vec::new() };
        for program in PROGRAMS {
            plan.at(&format!("bin/{program}"), programs::taken(inputs.programs.join(program))?, 0o755)?;
        }
        for part in IMAGE {
            plan.at(&format!("lib/berth/image/{part}"), inputs.image.join(part), 0o644)?;
        }
        plan.shells(inputs, form);
        plan.desktop(form);
        plan.papers(inputs, form);
        let mut files = plan.files;
        files.sort_by(|one, other| one.to.cmp(&other.to));
        Ok(Plan { files })
    }

    /// The folders that the files lie in, each after the one it lies in.
    pub fn folders(&self) -> BTreeSet<String> {
        let above = self.files.iter().flat_map(|file| Path::new(&file.to).ancestors().skip(1));
        above.map(|folder| folder.display().to_string()).filter(|folder| !folder.is_empty()).collect()
    }
}

/// Where `bin`, `lib` and `share` go.
fn prefix(inputs: &Inputs, form: Form) -> String {
    match form {
        Form::Deb | Form::Rpm => "usr".to_owned(),
        Form::Tarball => format!("berth-{}-linux-x86_64", inputs.version),
    }
}

struct Collected {
    prefix: String,
    files: Vec<File>,
}

impl Collected {
    fn at(&mut self, to: &str, from: PathBuf, mode: u32) -> Result<()> {
        self.files.push(File { to: format!("{}/{to}", self.prefix), content: Content::At(present(from)?), mode });
        Ok(())
    }

    fn bytes(&mut self, to: &str, bytes: impl Into<Vec<u8>>) {
        let content = Content::Bytes(bytes.into());
        self.files.push(File { to: format!("{}/{to}", self.prefix), content, mode: 0o644 });
    }

    /// Completions and manual pages.
    fn shells(&mut self, inputs: &Inputs, form: Form) {
        // Debian's zsh looks for packages' own ones elsewhere than everybody's.
        let zsh = if form == Form::Deb { "vendor-completions" } else { "site-functions" };
        self.bytes("share/bash-completion/completions/berth", &*inputs.made.bash);
        self.bytes(&format!("share/zsh/{zsh}/_berth"), &*inputs.made.zsh);
        self.bytes("share/fish/vendor_completions.d/berth.fish", &*inputs.made.fish);
        for page in &inputs.made.pages {
            self.bytes(
                &format!("share/man/{}/{}.gz", page.folder, page.name),
                gzip(page.text.as_bytes(), inputs.effort),
            );
        }
    }

    /// The entry of the desktop's menu, and its icons.
    fn desktop(&mut self, form: Form) {
        let window = match form {
            Form::Deb | Form::Rpm => Path::new("/usr/bin/berth-desktop"),
            // Wherever it is unpacked, it is found by its name.
            Form::Tarball => Path::new("berth-desktop"),
        };
        self.bytes(&format!("share/applications/{}.desktop", menu::NAME), menu::text(window));
        for (size, icon) in ICONS {
            self.bytes(&format!("share/icons/hicolor/{size}/apps/{}.png", menu::NAME), icon);
        }
    }

    /// Licences, notices, the bill of materials, what is new.
    fn papers(&mut self, inputs: &Inputs, form: Form) {
        match form {
            Form::Deb => self.bytes("share/doc/berth/copyright", COPYRIGHT),
            Form::Rpm => self.bytes("share/licenses/berth/LICENSE", LICENCE),
            Form::Tarball => self.bytes("share/doc/berth/LICENSE", LICENCE),
        }
        for (name, text) in [
            ("third-party-notices.txt", inputs.notices.as_bytes()),
            ("sbom.cdx.json", inputs.sbom.as_bytes()),
            ("changelog", CHANGES),
        ] {
            self.bytes(&format!("share/doc/berth/{name}.gz"), gzip(text, inputs.effort));
        }
    }
}

/// A file that is there: one that is missing is told now, and not when half a package is written.
pub(crate) fn present(file: PathBuf) -> Result<PathBuf> {
    if file.is_file() {
        return Ok(file);
    }
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    Err(Error::Io { action: "find", path: file, source: missing })
}

/// Debian's form of a copyright file (machine-readable, version 1.0).
const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
     Upstream-Name: berth\n\
     Comment: What of others is in this package, under which licences, and where its source is, is told in\n \
     /usr/share/doc/berth/third-party-notices.txt.gz.\n\
     \n\
     Files: *\n\
     Copyright: the authors of Berth\n\
     License: Apache-2.0\n \
     On Debian systems the full text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.\n";

/// Compressed, without a name or a date.
pub(crate) fn gzip(bytes: &[u8], effort: u32) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(effort));
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes whatever is written")
}

/// A version as packages write it: what comes before a release sorts before it.
pub(crate) fn package_version(version: &str) -> String {
    version.replacen('-', "~", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_after_the_ones_they_lie_in() {
        let file = |to: &str| File { to: to.to_owned(), content: Content::Bytes(Vec::new()), mode: 0o644 };
        let plan = Plan { files: vec![file("usr/bin/berth"), file("usr/lib/berth/image/vmlinuz")] };
        let folders: Vec<String> = plan.folders().into_iter().collect();
        assert_eq!(folders, ["usr", "usr/bin", "usr/lib", "usr/lib/berth", "usr/lib/berth/image"]);
    }

    #[test]
    fn what_comes_before_a_release_sorts_before_it() {
        assert_eq!(package_version("0.2.0"), "0.2.0");
        assert_eq!(package_version("0.2.0-rc.1"), "0.2.0~rc.1");
    }
}
