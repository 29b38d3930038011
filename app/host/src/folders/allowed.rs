//! Which folders may be mounted: the setting's, all that is in them, and what no link leads out of.

use std::io;
use std::path::{Path, PathBuf};

use control::{ShareRefusal, ShareRequest};
use shares::Share;

use super::windows;
use crate::settings::Folder;

/// A path that may be shared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// Without a link in it.
    pub(super) place: PathBuf,
    /// The file type's four bits of a mode.
    pub(super) kind: u32,
    pub(super) read_only: bool,
}

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// Finds what is asked for, and makes the folder if that is to be. Blocking.
///
/// # Errors
/// It is not within what is shared, one of `own`, not there, or cannot be made or looked at.
pub(super) fn find(
    shared: &[Folder],
    home: Option<&Path>,
    own: &[PathBuf],
    request: &ShareRequest,
) -> Result<Allowed, ShareRefusal> {
    let path = request.path.clone();
    let asked = PathBuf::from(match cfg!(windows) {
        true => windows::path(&path).map_err(|why| ShareRefusal::Failed { text: format!("{path} {why}") })?,
        false => path.clone(),
    });
    if !asked.is_absolute() {
        return Err(ShareRefusal::Failed { text: format!("{path} is no path of this computer") });
    }
    let failed = |what: &str, error: &io::Error| ShareRefusal::Failed { text: format!("{what} {path}: {error}") };
    let (there, missing) = resolve(&asked).map_err(|error| failed("find", &error))?;
    // Where it is or would be: a link to a folder that is not shared makes it no more shared.
    let place = missing.iter().fold(there.clone(), |place, part| place.join(part));
    let is_in = |own: &PathBuf| if cfg!(windows) { windows::is_within(&place, own) } else { place.starts_with(own) };
    if own.iter().any(is_in) {
        return Err(ShareRefusal::Failed { text: format!("{path} is Berth's own, and is never shared") });
    }
    let root = |folder: &Folder| Some((windows::plain(folder.place(home)?.canonicalize().ok()?), folder.read_only));
    let roots = shared.iter().filter_map(root);
    // Of two, the narrower one says how.
    let root = roots.filter(|(root, _)| place.starts_with(root)).max_by_key(|(root, _)| root.components().count());
    let Some((_, read_only)) = root else {
        let shared: String = shared.iter().map(|folder| format!("{folder},")).collect();
        return Err(ShareRefusal::NotShared { path, shared });
    };
    if !missing.is_empty() {
        if !request.create {
            return Err(ShareRefusal::Missing { path });
        }
        if read_only {
            let text = format!("{path} is not there, and what it would be made in is shared to be read only");
            return Err(ShareRefusal::Failed { text });
        }
        // The answer to a look is about what will be there.
        if request.only_look {
            return Ok(Allowed { place, kind: DIRECTORY, read_only });
        }
        Share::make_folders(&there, &missing).map_err(|error| failed("make", &error))?;
    }
    let found = place.symlink_metadata().map_err(|error| failed("look at", &error))?;
    let kind = match found.file_type() {
        kind if kind.is_dir() => DIRECTORY,
        kind if kind.is_file() => REGULAR,
        _ => {
            let text =
                format!("{path} is neither a folder nor a file: sockets and devices of this computer are not shared");
            return Err(ShareRefusal::Failed { text });
        }
    };
    Ok(Allowed { place, kind, read_only })
}

/// The deepest part of a path that is there, without links, and the names that are missing behind it.
fn resolve(path: &Path) -> io::Result<(PathBuf, Vec<&std::ffi::OsStr>)> {
    let mut missing = Vec::new();
    for above in path.ancestors() {
        match above.canonicalize() {
            Ok(there) => {
                missing.reverse();
                return Ok((windows::plain(there), missing));
            }
            // A link that leads nowhere is there, and nothing can be made in its place.
            Err(error) if error.kind() == io::ErrorKind::NotFound && above.symlink_metadata().is_err() => {
                missing.push(above.file_name().ok_or(io::ErrorKind::InvalidInput)?);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &Path, create: bool) -> ShareRequest {
        let path = path.display().to_string();
        ShareRequest { mount: "1".into(), path, read_only: false, create, only_look: false, changes: false }
    }

    fn folders(words: &[&str]) -> Vec<Folder> {
        words.iter().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_within_the_home_folder_is_shared_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let top = windows::plain(dir.path().canonicalize().unwrap());
        let home = top.join("home");
        std::fs::create_dir_all(home.join("app/src")).unwrap();
        std::fs::write(home.join("app/file"), "").unwrap();
        std::fs::create_dir(top.join("homestead")).unwrap();
        let find = |path: &Path, create| super::find(&folders(&["~"]), Some(&home), &[], &request(path, create));
        let allowed = |path: PathBuf, kind| Ok(Allowed { place: path, kind, read_only: false });
        assert_eq!(find(&home, false), allowed(home.clone(), DIRECTORY));
        assert_eq!(find(&home.join("app/file"), false), allowed(home.join("app/file"), REGULAR));
        assert_eq!(find(&home.join("app/../app/src"), false), allowed(home.join("app/src"), DIRECTORY));
        let root = if cfg!(windows) { r"C:\" } else { "/" };
        for outside in [top.clone(), top.join("homestead"), top.join("none"), home.join("../homestead"), root.into()] {
            let error = find(&outside, true).unwrap_err();
            assert!(matches!(error, ShareRefusal::NotShared { .. }), "{outside:?}: {error}");
            assert!(error.to_string().contains(&format!("`berth config set shares \"~,{}\"`", outside.display())));
        }
        assert!(!top.join("none").exists());
        let missing = home.join("app/new/deep");
        let error = find(&missing, false).unwrap_err();
        assert_eq!(error.to_string(), format!("bind source path does not exist: {}", missing.display()));
        // The file server, which makes folders, is not for Windows.
        if !cfg!(windows) {
            assert_eq!(find(&missing, true), allowed(missing.clone(), DIRECTORY));
            assert!(missing.is_dir());
        }
        find(Path::new("C:\\Users"), true).unwrap_err();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_what_it_leads_to() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let home = top.join("home");
        std::fs::create_dir_all(home.join("app")).unwrap();
        std::fs::create_dir(top.join("outside")).unwrap();
        symlink(top.join("outside"), home.join("out")).unwrap();
        symlink(home.join("app"), home.join("in")).unwrap();
        symlink(home.join("nowhere"), home.join("broken")).unwrap();
        symlink(&home, top.join("to-home")).unwrap();
        let find = |path: &Path| super::find(&folders(&["~"]), Some(&home), &[], &request(path, true));
        assert_eq!(find(&home.join("in")).unwrap().place, home.join("app"));
        assert_eq!(find(&top.join("to-home/app")).unwrap().place, home.join("app"));
        for out in ["out", "out/new", "broken/new"] {
            find(&home.join(out)).unwrap_err();
        }
        assert!(std::fs::read_dir(top.join("outside")).unwrap().next().is_none());
        let _listener = std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
        assert!(find(&home.join("socket")).unwrap_err().to_string().contains("neither a folder nor a file"));
    }

    #[test]
    fn what_is_berths_own_is_not_shared() {
        let dir = tempfile::tempdir().unwrap();
        let home = windows::plain(dir.path().canonicalize().unwrap());
        let own = [home.join("config/berth")];
        std::fs::create_dir_all(own[0].join("tls")).unwrap();
        let find = |path: &str| super::find(&folders(&["~"]), Some(&home), &own, &request(&home.join(path), true));
        for path in ["config/berth", "config/berth/tls", "config/berth/new"] {
            assert!(find(path).unwrap_err().to_string().contains("Berth's own"), "{path}");
        }
        assert!(!home.join("config/berth/new").exists());
        find("config").unwrap();
        std::fs::create_dir(home.join("config/berthold")).unwrap();
        find("config/berthold").unwrap();
    }

    #[test]
    fn the_narrower_folder_says_how() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(home.join("kept/out")).unwrap();
        let shared = folders(&["~", "~/kept:ro", "~/kept/out", "~/not-there"]);
        let find = |path: &str| super::find(&shared, Some(&home), &[], &request(&home.join(path), true));
        for (path, read_only) in [("", false), ("kept", true), ("kept/out", false)] {
            assert_eq!(find(path).unwrap().read_only, read_only, "{path}");
        }
        find("kept/new").unwrap_err();
        assert!(super::find(&shared, None, &[], &request(&home, true)).is_err(), "without a home folder");
    }
}
