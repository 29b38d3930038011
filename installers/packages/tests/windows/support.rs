//! What the tests are made with: packages, and a Windows to install them in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use installers::windows::TARGET;
use installers::wine::Wine;
use packages::made::Made;
use packages::plan::Inputs;
use packages::sign::Signer;
use packages::windows::plan::{PROGRAMS, Plan};
use packages::windows::{msi, nsis};

const DATE: u32 = 1_764_000_000;

/// Says why a test of this name does not run.
pub(crate) fn skipped(test: &str, why: &str) {
    println!("SKIPPED: {test}: {why}");
}

/// What runs commands of Windows, and where packages for it are.
pub(crate) struct Windows {
    wine: Wine,
    /// In this tree, all of which wine sees.
    pub(crate) folder: tempfile::TempDir,
}

impl Windows {
    /// Or why there is none.
    pub(crate) fn prepare() -> Result<Windows, String> {
        if !installers::debian::is_root() {
            return Err("only root can mount".to_owned());
        }
        makensis()?;
        programs()?;
        let wine = Wine::prepare().map_err(|error| error.to_string().replace('\n', " "))?;
        let folder = tempfile::Builder::new().prefix("windows-").tempdir_in(target()).unwrap();
        Ok(Windows { wine, folder })
    }

    /// Writes the setup of `version` beside what is there; its name.
    pub(crate) fn setup(&self, version: &str) -> String {
        let inputs = inputs(&self.folder.path().join(version), version, &programs().unwrap());
        let name = nsis::name(&inputs);
        let plan = Plan::of(&inputs).unwrap();
        nsis::write(&inputs, &plan, &Signer::default(), &self.folder.path().join(&name)).unwrap();
        name
    }

    /// As [`Windows::setup`], the .msi.
    pub(crate) fn msi(&self, version: &str) -> String {
        let inputs = inputs(&self.folder.path().join(version), version, &programs().unwrap());
        let name = msi::name(&inputs);
        let bytes = msi::write(&inputs, &Plan::of(&inputs).unwrap()).unwrap();
        fs::write(self.folder.path().join(&name), bytes).unwrap();
        name
    }

    /// What `script`, lines for Windows' `cmd`, prints in the folder of the packages; on a Windows of which nothing remains.
    pub(crate) fn run(&self, script: &str) -> String {
        let folder = self.folder.path();
        // Wine has this system's root for a drive.
        let place = format!("Z:{}", folder.display()).replace('/', "\\");
        let lines = format!("@echo off\nchcp 65001 >nul\ncd /d {place}\n{script}");
        fs::write(folder.join("script.cmd"), lines.replace('\n', "\r\n")).unwrap();
        let mut command = self.wine.command(Path::new("cmd.exe")).unwrap();
        let out = command.args(["/c", &format!("{place}\\script.cmd")]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).replace("\r\n", "\n")
    }
}

/// Why no setup can be made, if so.
pub(crate) fn makensis() -> Result<(), String> {
    let there = Command::new("makensis").arg("-VERSION").output();
    there.map(drop).map_err(|_| "there is no makensis: `cargo verify` installs it".to_owned())
}

/// Programs of two bytes, for what does not run them: a folder below `folder`.
pub(crate) fn small_programs(folder: &Path) -> PathBuf {
    let programs = folder.join("small");
    fs::create_dir_all(&programs).unwrap();
    PROGRAMS.iter().for_each(|program| fs::write(programs.join(program), "MZ").unwrap());
    programs
}

/// What the packages of `version` are made from, below `folder`, with the programs in `programs`.
pub(crate) fn inputs(folder: &Path, version: &str, programs: &Path) -> Inputs {
    let image = folder.join("image");
    fs::create_dir_all(&image).unwrap();
    for part in ["vmlinuz", "initramfs.cpio", "root.erofs", "manifest.json"] {
        fs::write(image.join(part), format!("{part} of {version}")).unwrap();
    }
    Inputs {
        version: version.to_owned(),
        date: DATE,
        programs: programs.to_path_buf(),
        image,
        made: Made::default(),
        notices: "notices".to_owned(),
        sbom: "{}".to_owned(),
        effort: 1,
    }
}

/// The folder of the programs, without what debuggers read, as they are given to users; or why there is none.
pub(crate) fn programs() -> Result<PathBuf, String> {
    static STRIPPED: OnceLock<Result<tempfile::TempDir, String>> = OnceLock::new();
    let stripped = STRIPPED.get_or_init(|| {
        let built = installers::workspace().join("target/windows").join(TARGET).join("debug");
        let missing = PROGRAMS.iter().find(|program| !built.join(program).is_file());
        if let Some(program) = missing {
            return Err(format!("{program} is not built for Windows: `cargo verify` builds it"));
        }
        let folder = tempfile::tempdir().unwrap();
        for program in PROGRAMS {
            let mut strip = Command::new("x86_64-w64-mingw32-strip");
            let stripped = strip.arg("-o").arg(folder.path().join(program)).arg(built.join(program)).status().unwrap();
            assert!(stripped.success(), "strip {program}");
        }
        Ok(folder)
    });
    stripped.as_ref().map(|folder| folder.path().to_path_buf()).map_err(String::clone)
}

fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // target/PROFILE/deps/TEST
    own.ancestors().nth(3).unwrap().to_path_buf()
}
