//! Builds programs of the workspace and puts them where the user's shell finds them.

use std::io;
use std::path::{Path, PathBuf};

use crate::cargo::cargo;
use crate::needs;
use crate::step::run;
use crate::words::say;

/// Builds `name` of `package` in the workspace's own target folder and puts it into cargo's bin folder, unless it is there already: a
/// running daemon makes way for a new one when its file was replaced, be it with the same bytes.
///
/// # Errors
/// When it does not compile, or cannot be put there.
pub fn program(package: &str, name: &str) -> io::Result<PathBuf> {
    run(cargo().args(["build", "--release", "--locked", "--package", package, "--bin", name]))?;
    let folder = needs::cargo_bin();
    let place = folder.join(name);
    let installed = copy(&built(name)?, &place)?;
    let program = place.display().to_string();
    let values = [("program", &*program)];
    let outcome =
        if installed { say("%{program} installed", &values) } else { say("%{program} is up to date", &values) };
    eprintln!("    {outcome}");
    let on_path = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir == folder));
    if !on_path {
        let folder = folder.display().to_string();
        let values = [("folder", &*folder), ("program", name)];
        eprintln!("    {}", say("%{folder} is not on your PATH: add it to type `%{program}` anywhere", &values));
    }
    Ok(place)
}

/// The program that the build above left. The folder is the one that this program was built into, whatever moved it there.
fn built(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // target/PROFILE/PROGRAM
    let target = own.parent().and_then(Path::parent);
    let target = target.ok_or_else(|| io::Error::other(say("no target folder is known", &[])))?;
    let program = target.join("release").join(name);
    if program.is_file() {
        return Ok(program);
    }
    let program = program.display().to_string();
    let values = [("program", &*program)];
    Err(io::Error::other(say("the build left no %{program}: is CARGO_BUILD_TARGET set?", &values)))
}

/// Makes `to` the same as `from`; whether there was anything to do. The last step is a rename, so that a program that runs keeps
/// its file.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    let bytes = std::fs::read(from)?;
    if std::fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(false);
    }
    let named = |error: io::Error| io::Error::other(format!("{}: {error}", to.display()));
    let orphan = || io::Error::other(say("%{file} has no folder", &[("file", &to.display().to_string())]));
    let folder = to.parent().ok_or_else(orphan)?;
    std::fs::create_dir_all(folder).map_err(named)?;
    let fresh = to.with_extension(format!("new-{}", std::process::id()));
    let placed = std::fs::copy(from, &fresh).and_then(|_| std::fs::rename(&fresh, to));
    if placed.is_err() {
        // What is left of it only takes room; why it failed is what matters.
        let _ = std::fs::remove_file(&fresh);
    }
    placed.map(|()| true).map_err(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_not_installed_again() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let dir = std::env::temp_dir().join(format!("berth-quickstart-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (from, to) = (dir.join("built"), dir.join("bin").join("berth"));
        std::fs::write(&from, "one").unwrap();
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(copy(&from, &to).unwrap());
        let inode = to.metadata().unwrap().ino();
        assert!(!copy(&from, &to).unwrap());
        assert_eq!(to.metadata().unwrap().ino(), inode);
        std::fs::write(&from, "two").unwrap();
        assert!(copy(&from, &to).unwrap());
        assert_eq!(std::fs::read(&to).unwrap(), b"two");
        assert_eq!(to.metadata().unwrap().mode() & 0o777, 0o755);
        assert_eq!(std::fs::read_dir(to.parent().unwrap()).unwrap().count(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
