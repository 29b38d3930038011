//! Third-party notices: what is in the image, under which licence, and where its source is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{IoContext, Result};
use crate::packages::Resolved;
use crate::rootfs::Rootfs;

/// The offer of source that the GPL and the LGPL ask for, below a list of packages with the names and versions of their sources.
pub const OFFER: &str = "\nOffer of source\n---------------\n\n\
     The complete source of every package above is kept by Debian in its public archive of all versions (\"snapshot\"), under\n\
     the name and in exactly the version that stand after \"source:\". For at least three years from the day on which you\n\
     received this image, the distributor of Berth will also send you that source on a medium, for no more than the cost of\n\
     doing so, if you ask for it.\n";

/// The text of `/usr/share/doc/berth/notices.txt`.
pub(crate) fn text(rootfs: &Rootfs, packages: &Resolved) -> String {
    let mut text = String::from(
        "Third-party software in the guest of Berth\n\
         ==========================================\n\n\
         The guest consists of Berth's own agent (Apache-2.0; the crates compiled into it and\n\
         their licences are in /usr/share/doc/berth/crates.txt) and of files from these packages of\n\
         Debian 12, unmodified but for the kernel's modules, which are without their signatures, the names of what\n\
         is local to them and types for BPF. Their copyright notices are in /usr/share/doc/berth/copyright.\n\n",
    );
    let mut line = |name: &str, licence: &str| {
        let package = packages.all().find(|package| package.name == name);
        if let Some(package) = package {
            text.push_str(&format!(
                "{} {}\n    licence: {licence}\n    source:  {} {}\n",
                package.name, package.version, package.source, package.source_version
            ));
            for linked in &package.linked {
                text.push_str(&format!("    source:  {linked} (linked into it)\n"));
            }
        }
    };
    line(&packages.kernel.name, &rootfs.kernel.licence);
    for package in &rootfs.packages {
        line(&package.name, &package.licence);
    }
    text.push_str(OFFER);
    text
}

/// The copyright file of each package, by package name.
pub(crate) fn copyright(directories: &BTreeMap<String, PathBuf>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for (name, directory) in directories {
        let path = copyright_file(directory, name);
        files.push((name.clone(), fs::read(&path).at("read", &path)?));
    }
    Ok(files)
}

fn copyright_file(directory: &Path, package: &str) -> PathBuf {
    directory.join("usr/share/doc").join(package).join("copyright")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offer_says_where_what_and_how_long() {
        for words in ["archive of all versions", "exactly the version", "three years"] {
            assert!(OFFER.contains(words), "{words}: {OFFER}");
        }
        assert!(!OFFER.contains(" at\n") && OFFER.lines().all(|line| line.len() <= 120), "{OFFER}");
    }
}
