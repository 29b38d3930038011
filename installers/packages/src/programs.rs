//! Programs as they are taken into packages: they are there, and made for users.

use std::fs;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::error::IoContext;
use crate::plan::present;
use crate::{Error, Result};

/// What programs that were compiled with the feature `stand-in` of `host` have in them, and no others: the name of the variable by which
/// they take somebody else for their machine (`app/host/src/driver/stand_in.rs`).
pub const STAND_IN: &str = "BERTH_STAND_IN";

/// The program at `path`, which is to be given to users.
///
/// # Errors
/// When it is not there, or [`Error::StandIn`].
pub(crate) fn taken(path: PathBuf) -> Result<PathBuf> {
    read(&path)?;
    Ok(path)
}

/// As [`taken`], what is in it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    present(path.to_path_buf())?;
    let bytes = fs::read(path).at("read", path)?;
    match memmem::find(&bytes, STAND_IN.as_bytes()) {
        Some(_) => Err(Error::StandIn { path: path.to_path_buf() }),
        None => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::Made;
    use crate::plan::{Form, Inputs, Plan};
    use crate::{macos, windows};

    #[test]
    fn no_package_takes_what_is_compiled_for_tests() {
        let folder = tempfile::tempdir().unwrap();
        for program in crate::plan::PROGRAMS.iter().chain(&windows::plan::PROGRAMS) {
            fs::write(folder.path().join(program), "program").unwrap();
        }
        let inputs = Inputs {
            version: "1.0.0".to_owned(),
            date: 0,
            programs: folder.path().to_path_buf(),
            image: folder.path().to_path_buf(),
            made: Made::default(),
            notices: String::new(),
            sbom: String::new(),
            effort: 1,
        };
        let refused = |program: &str| {
            let path = folder.path().join(program);
            fs::write(&path, format!("\0{STAND_IN}\0127.0.0.1")).unwrap();
            let errors = match program {
                "berth.exe" => vec![
                    windows::Plan::of(&inputs).unwrap_err(),
                    windows::write(&inputs, &crate::sign::Signer::by("false"), folder.path()).unwrap_err(),
                ],
                _ => vec![
                    Plan::of(&inputs, Form::Deb).unwrap_err(),
                    Plan::of(&inputs, Form::Rpm).unwrap_err(),
                    Plan::of(&inputs, Form::Tarball).unwrap_err(),
                    macos::Plan::of(&inputs).unwrap_err(),
                ],
            };
            for error in errors {
                assert!(matches!(&error, Error::StandIn { path: named } if *named == path), "{error}");
                assert!(error.to_string().contains("without the feature `stand-in`"), "{error}");
            }
        };
        refused("berth");
        refused("berth.exe");
    }

    #[test]
    fn it_is_the_word_that_they_have() {
        let source = include_str!("../../../app/host/src/driver/stand_in.rs");
        assert!(source.contains(&format!("const VARIABLE: &str = \"{STAND_IN}\";")));
    }
}
