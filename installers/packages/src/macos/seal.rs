//! The app's signature, by whatever program whoever publishes has for it. Without one it is signed for nobody ("ad hoc"), by what is here: macOS
//! runs no other programs on Apple's processors, and grants none the entitlements that nothing says it has.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use installers::needs;

use super::info;
use super::plan::{PROGRAMS, PROGRAMS_AT, WINDOW};
use crate::error::IoContext;
use crate::sign::{self, Signer};
use crate::{Result, tool};

/// Names for [`sign::MACOS`] the file of the entitlements that a program is to be signed with.
const ENTITLEMENTS: &str = "BERTH_ENTITLEMENTS";

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealer {
    /// The publisher's command.
    Publisher(Signer),
    /// Apple's, which is on Macs.
    Codesign,
    /// The program `rcodesign`.
    Rcodesign(PathBuf),
    /// Nobody: what is only looked at.
    Nobody,
}

impl Sealer {
    /// As [`sign::MACOS`] says, or without anybody's name by what is here. Says which.
    ///
    /// # Errors
    /// When there is nothing, and nothing can be installed.
    pub fn of_environment() -> io::Result<Sealer> {
        let signer = Signer::of_environment(sign::MACOS);
        if signer.command().is_some() {
            return Ok(Sealer::Publisher(signer));
        }
        eprintln!("    the app is signed ad hoc: Gatekeeper takes it for nobody's");
        if cfg!(target_os = "macos") { Ok(Sealer::Codesign) } else { Ok(Sealer::Rcodesign(needs::rcodesign()?)) }
    }

    /// Signs the app at `app` in place: first the programs in it, then, with the one that its icon starts, the app as a whole.
    ///
    /// # Errors
    /// What the program said when it failed.
    pub fn seal(&self, app: &Path) -> Result<()> {
        let folder = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
        let entitlements = |program: &str| -> Result<PathBuf> {
            let path = folder.path().join(format!("{program}.entitlements"));
            fs::write(&path, info::entitlements(program)).at("write", &path)?;
            Ok(path)
        };
        let each = |sign: &dyn Fn(&Path, &Path) -> Result<()>| {
            for program in PROGRAMS.into_iter().filter(|program| *program != WINDOW) {
                sign(&app.join(PROGRAMS_AT).join(program), &entitlements(program)?)?;
            }
            sign(app, &entitlements(WINDOW)?)
        };
        match self {
            Sealer::Publisher(signer) => {
                each(&|path, entitlements| signer.sign_with(path, &[(ENTITLEMENTS, entitlements)]))
            }
            Sealer::Codesign => each(&|path, entitlements| {
                let mut codesign = Command::new("codesign");
                codesign.args(["--force", "--sign", "-", "--entitlements"]).arg(entitlements).arg(path);
                tool::text(&mut codesign).map(drop)
            }),
            Sealer::Rcodesign(program) => {
                let mut rcodesign = Command::new(program);
                // Files of whoever signs by it may name keys.
                rcodesign.args(["sign", "--config-file", "/dev/null"]);
                let berth = |setting: &OsStr| {
                    let mut scoped = OsString::from(format!("{PROGRAMS_AT}/berth:"));
                    scoped.push(setting);
                    scoped
                };
                rcodesign.arg("--binary-identifier").arg(berth("app.berth.berth".as_ref()));
                rcodesign.arg("--entitlements-xml-file").arg(berth(entitlements("berth")?.as_ref()));
                tool::text(rcodesign.arg(app)).map(drop)
            }
            Sealer::Nobody => Ok(()),
        }
    }
}
