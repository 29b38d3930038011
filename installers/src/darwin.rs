//! What lints the host's programs for macOS: the standard library's source, as for Windows, and zig, which compiles the C parts of a few
//! crates and has the headers of Apple's C library.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs;
use crate::std_source::{self, StdSource};

/// Macs with Apple's processors, then those with Intel's: each with what zig calls it.
const TARGETS: [(&str, &str); 2] = [("aarch64-apple-darwin", "aarch64-macos"), ("x86_64-apple-darwin", "x86_64-macos")];

/// Which zig.
const ZIG: &str = "installers/zig-requirements.txt";

/// The standard library's source, and C compilers.
#[derive(Debug)]
pub struct Darwin {
    std: StdSource,
    zig: PathBuf,
    targets: &'static [(&'static str, &'static str)],
}

impl Darwin {
    /// Finds or fetches both, for Macs with Apple's processors, or for `all`. Python's `venv` must be there.
    ///
    /// # Errors
    /// When one of them is not there and cannot be fetched.
    pub fn prepare(all: bool) -> io::Result<Darwin> {
        let targets = if all { &TARGETS[..] } else { &TARGETS[..1] };
        let std = StdSource::prepare()?;
        let zig = needs::python("zig", ZIG)?;
        for (target, zigs) in &TARGETS {
            write_program(&compiler(&zig, target), &compiler_script(&zig, zigs))?;
        }
        write_program(&archiver(&zig), &archiver_script(&zig))?;
        Ok(Darwin { std, zig, targets })
    }

    /// Sets cargo, whose compiler of the workspace is clippy's driver, to make the standard library for those Macs. Before the
    /// subcommand: behind it cargo would forget what else it is configured by.
    pub fn set(&self, cargo: &mut Command) {
        self.std.set(cargo);
        let targets: Vec<String> = self.targets.iter().map(|(target, _)| format!("\"{target}\"")).collect();
        // All at once: what runs while they are compiled is made once.
        cargo.arg("--config").arg(format!("build.target=[{}]", targets.join(",")));
        for (target, _) in self.targets {
            let name = target.replace('-', "_");
            cargo.env(format!("CC_{name}"), compiler(&self.zig, target));
            cargo.env(format!("AR_{name}"), archiver(&self.zig));
        }
        // As for Windows.
        cargo.env("CARGO_TARGET_DIR", "target/darwin");
    }

    /// Has cargo fetch what the programs and the standard library are made of, as far as it is not there.
    ///
    /// # Errors
    /// When something is not there and cannot be fetched; the message is cargo's.
    pub fn fetch(&self, cargo: &mut Command) -> io::Result<()> {
        self.set(cargo);
        std_source::fetch(cargo, "macOS")
    }
}

/// What compiles C for this target and links it with Apple's C library, if [`Darwin::prepare`] has fetched it.
pub fn compiler_there(target: &str) -> Option<PathBuf> {
    let compiler = compiler(&needs::python_there("zig", ZIG)?, target);
    compiler.is_file().then_some(compiler)
}

fn compiler(zig: &Path, target: &str) -> PathBuf {
    zig.join("bin").join(format!("{target}-cc"))
}

fn archiver(zig: &Path) -> PathBuf {
    zig.join("bin/zig-ar")
}

/// Without the target that build scripts name in clang's words, which zig does not know.
fn compiler_script(zig: &Path, target: &str) -> String {
    let drop = "for argument do\n  shift\n  case $argument in\n    --target=*) ;;\n    *) set -- \"$@\" \"$argument\" ;;\n  esac\ndone";
    format!("#!/bin/sh\n{drop}\n{} cc -target {target} \"$@\"\n", called(zig))
}

fn archiver_script(zig: &Path) -> String {
    format!("#!/bin/sh\n{} ar \"$@\"\n", called(zig))
}

/// What calls zig, with its own cache beside it.
fn called(zig: &Path) -> String {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let (cache, python) = (quoted(&zig.join("cache")), quoted(&zig.join("bin/python3")));
    format!("ZIG_GLOBAL_CACHE_DIR={cache} ZIG_LOCAL_CACHE_DIR={cache} exec {python} -m ziglang")
}

/// Only when it is another one: build scripts run again when their compiler has changed.
fn write_program(path: &Path, text: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_is_given_all_but_the_target_that_it_does_not_know() {
        let zig = std::env::temp_dir().join(format!("berth-zig's-{}", std::process::id()));
        fs::create_dir_all(zig.join("bin")).unwrap();
        write_program(&zig.join("bin/python3"), "#!/bin/sh\necho \"$ZIG_GLOBAL_CACHE_DIR\"\nprintf '%s\\n' \"$@\"\n")
            .unwrap();
        let compiler = compiler(&zig, "aarch64-apple-darwin");
        write_program(&compiler, &compiler_script(&zig, "aarch64-macos")).unwrap();
        let out =
            Command::new(&compiler).args(["--target=arm64-apple-macosx", "-c", "a b.c", "-DX='1'"]).output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        let cache = zig.join("cache").display().to_string();
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            [&cache, "-m", "ziglang", "cc", "-target", "aarch64-macos", "-c", "a b.c", "-DX='1'"]
        );
        fs::remove_dir_all(zig).unwrap();
    }
}
