//! All artefacts for Windows, from one input, into one folder: a setup for one user by NSIS, an .msi for administrators, and what goes with
//! every artefact.

pub mod msi;
pub mod nsis;
pub mod plan;

use std::fs;
use std::path::Path;

use crate::error::IoContext;
use crate::plan::Inputs;
use crate::sign::Signer;
use crate::{Result, checksums, programs};

pub use plan::Plan;

/// Writes them, signed by `signer`, programs and uninstaller included; returns their names, the setup's and the .msi's first.
///
/// # Errors
/// When a file cannot be read or written or signed, or `makensis` fails.
pub fn write(inputs: &Inputs, signer: &Signer, folder: &Path) -> Result<Vec<String>> {
    fs::create_dir_all(folder).at("create the folder", folder)?;
    // Signed are copies: what was built stays as it is.
    let signed = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    for program in plan::PROGRAMS {
        let from = programs::taken(inputs.programs.join(program))?;
        let to = signed.path().join(program);
        fs::copy(&from, &to).at("copy", from)?;
        signer.sign(&to)?;
    }
    let inputs = &Inputs { programs: signed.path().to_path_buf(), ..inputs.clone() };
    let plan = Plan::of(inputs)?;
    let (setup, msi) = (nsis::name(inputs), msi::name(inputs));
    nsis::write(inputs, &plan, signer, &folder.join(&setup))?;
    let mut names = vec![setup.clone()];
    let artefacts = [
        (msi.clone(), msi::write(inputs, &plan)?),
        (format!("berth-{}-windows-third-party-notices.txt", inputs.version), inputs.notices.clone().into_bytes()),
        (format!("berth-{}-windows.cdx.json", inputs.version), inputs.sbom.clone().into_bytes()),
    ];
    for (name, bytes) in artefacts {
        let path = folder.join(&name);
        fs::write(&path, bytes).at("write", path)?;
        names.push(name);
    }
    for name in [setup, msi] {
        signer.sign(&folder.join(name))?;
    }
    checksums::write(folder, &names)?;
    names.push(checksums::FILE.to_owned());
    Ok(names)
}

/// The version as Windows' own tables have it: four numbers, of which what comes before a release is the release's.
pub(crate) fn number(version: &str) -> String {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    format!("{release}.0")
}
