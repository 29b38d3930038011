//! What package managers ask for that take a package from where it is published: the templates of `templates/`, with version, address and
//! digests filled in.

use std::fs;
use std::path::Path;

use crate::error::IoContext;
use crate::{Error, Result, checksums};

/// What manifests are made of.
#[derive(Debug, Clone, Copy)]
pub struct Templates<'a> {
    /// By the names of the manifests.
    pub files: &'a [(&'a str, &'a str)],
    /// What is filled in beside version, address and digests: `MACS` for `@MACS@`.
    pub words: &'a [(&'a str, String)],
}

/// For Windows' package manager (manifests of version 1.6).
pub const WINGET: &[(&str, &str)] = &[
    ("Berth.Berth.yaml", include_str!("../templates/winget/Berth.Berth.yaml")),
    ("Berth.Berth.installer.yaml", include_str!("../templates/winget/Berth.Berth.installer.yaml")),
    ("Berth.Berth.locale.en-US.yaml", include_str!("../templates/winget/Berth.Berth.locale.en-US.yaml")),
];
/// For Homebrew on Linux.
pub const HOMEBREW: &[(&str, &str)] = &[("berth.rb", include_str!("../templates/homebrew/berth.rb"))];

/// For Homebrew on macOS.
pub const CASK: &[(&str, &str)] = &[("berth-app.rb", include_str!("../templates/homebrew/berth-app.rb"))];

/// Writes those of `templates` into `folder`, where the packages of `version` are; `downloads` is the address below which they will be.
/// Returns their names.
///
/// # Errors
/// When a package that one names is not there, or something cannot be written.
pub fn write(templates: &Templates<'_>, version: &str, downloads: &str, folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let downloads = downloads.trim_end_matches('/').to_owned();
    let words = [&[("VERSION", version.to_owned()), ("DOWNLOADS", downloads)], templates.words].concat();
    for (name, template) in templates.files {
        let text = filled(template, &words, |package| checksums::digest(&folder.join(package)))?;
        let path = folder.join(name);
        fs::write(&path, text).at("write", path)?;
        names.push((*name).to_owned());
    }
    Ok(names)
}

/// The words, and `@SHA256:FILE@`, which `digest` tells.
fn filled(template: &str, words: &[(&str, String)], digest: impl Fn(&str) -> Result<String>) -> Result<String> {
    const DIGEST: &str = "@SHA256:";
    let mut text = template.to_owned();
    for (word, value) in words {
        text = text.replace(&format!("@{word}@"), value);
    }
    while let Some(at) = text.find(DIGEST) {
        let rest = &text[at + DIGEST.len()..];
        let unended = || Error::Unreadable { what: "a template".to_owned(), problem: format!("no end of {DIGEST}") };
        let package = rest[..rest.find('@').ok_or_else(unended)?].to_owned();
        text = text.replace(&format!("{DIGEST}{package}@"), &digest(&package)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_to_fill_in() {
        let words = [("VERSION", "1.2.3".to_owned()), ("DOWNLOADS", "https://example.org/v1".to_owned())];
        for (name, template) in WINGET.iter().chain(HOMEBREW) {
            let text = filled(template, &words, |package| Ok(format!("of {package}"))).unwrap();
            assert!(text.contains("1.2.3") && !text.contains('@'), "{name}: {text}");
        }
    }

    #[test]
    fn digests_are_those_of_the_packages() {
        let folder = tempfile::tempdir().unwrap();
        let templates = Templates { files: WINGET, words: &[] };
        assert!(write(&templates, "1.0.0", "https://example.org", folder.path()).is_err(), "no package is there");
        for package in ["berth-1.0.0-setup.exe", "berth-1.0.0.msi"] {
            fs::write(folder.path().join(package), package).unwrap();
        }
        write(&templates, "1.0.0", "https://example.org/", folder.path()).unwrap();
        let text = fs::read_to_string(folder.path().join("Berth.Berth.installer.yaml")).unwrap();
        let digest = checksums::digest(&folder.path().join("berth-1.0.0.msi")).unwrap();
        assert!(
            text.contains(&format!(
                "InstallerUrl: \"https://example.org/berth-1.0.0.msi\"\n    InstallerSha256: {digest}"
            )),
            "{text}"
        );
    }
}
