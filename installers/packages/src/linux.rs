//! All artefacts for Linux, from one input, into one folder.

use std::fs;
use std::path::Path;

use crate::error::IoContext;
use crate::needed::Needed;
use crate::plan::{Form, Inputs, Plan};
use crate::{Result, checksums, deb, redhat, tarball};

/// Writes the packages, the notices, the bill of materials and their checksums; returns their names.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(inputs: &Inputs, folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).at("create the folder", folder)?;
    let needed = Needed::by(&inputs.programs)?;
    let artefacts = [
        (deb::name(inputs), deb::write(inputs, &Plan::of(inputs, Form::Deb)?, &needed)?),
        (redhat::name(inputs), redhat::write(inputs, &Plan::of(inputs, Form::Rpm)?, &needed)?),
        (tarball::name(inputs), tarball::write(inputs, &Plan::of(inputs, Form::Tarball)?)?),
        (format!("berth-{}-third-party-notices.txt", inputs.version), inputs.notices.clone().into_bytes()),
        (format!("berth-{}.cdx.json", inputs.version), inputs.sbom.clone().into_bytes()),
    ];
    let mut names = Vec::new();
    for (name, bytes) in artefacts {
        let path = folder.join(&name);
        fs::write(&path, bytes).at("write", path)?;
        names.push(name);
    }
    checksums::write(folder, &names)?;
    names.push(checksums::FILE.to_owned());
    Ok(names)
}
