//! What package managers ask for that take a package from where it is published: the templates of `templates/`, with version, address and
//! digests filled in.

use std::fs;
use std::path::Path;

use crate::error::IoContext;
use crate::{Error, Result, checksums};

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
pub fn write(templates: &[(&str, &str)], version: &str, downloads: &str, folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (name, template) in templates {
        let text = filled(template, version, downloads, |package| checksums::digest(&folder.join(package)))?;
        let path = folder.join(name);
        fs::write(&path, text).at("write", path)?;
        names.push((*name).to_owned());
    }
    Ok(names)
}

/// `@VERSION@`, `@DOWNLOADS@`, and `@SHA256:FILE@`, which `digest` tells.
fn filled(template: &str, version: &str, downloads: &str, digest: impl Fn(&str) -> Result<String>) -> Result<String> {
    const DIGEST: &str = "@SHA256:";
    let mut text = template.replace("@VERSION@", version).replace("@DOWNLOADS@", downloads.trim_end_matches('/'));
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
        for (name, template) in WINGET.iter().chain(HOMEBREW).chain(CASK) {
            let text =
                filled(template, "1.2.3", "https://example.org/v1/", |package| Ok(format!("of {package}"))).unwrap();
            // Ruby's own sign is not used.
            assert!(text.contains("1.2.3") && !text.contains('@'), "{name}: {text}");
        }
    }

    #[test]
    fn digests_are_those_of_the_packages() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(WINGET, "1.0.0", "https://example.org", folder.path()).is_err(), "no package is there");
        for package in ["berth-1.0.0-setup.exe", "berth-1.0.0.msi"] {
            fs::write(folder.path().join(package), package).unwrap();
        }
        write(WINGET, "1.0.0", "https://example.org", folder.path()).unwrap();
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
