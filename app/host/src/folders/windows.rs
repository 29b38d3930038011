//! What people and docker's clients call a folder of a computer with Windows. Text alone, so that every system tests it.
//!
//! `C:\Users`, `C:/Users`, and as shells of Unix' kind write it, `/c/Users` and `//c/Users`: all are one folder. The guest's engine makes
//! paths clean that begin with `/`, so the second slash of the last may be gone.

use std::path::{Path, PathBuf};

/// What the system puts before paths that it is to take as they are.
const VERBATIM: &str = r"\\?\";
/// Names of devices in every folder, whatever is behind a dot (naming files, Win32).
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
/// Likewise, with one digit behind them.
const NUMBERED: [&str; 2] = ["COM", "LPT"];

/// `C:\…` for a path in any of these spellings, without `.` and `..` and two separators on end.
///
/// # Errors
/// Why it is none, to be said behind the path.
pub(super) fn path(spelling: &str) -> Result<String, &'static str> {
    let plain = spelling.strip_prefix(VERBATIM).unwrap_or(spelling).replace('/', r"\");
    let (drive, rest) = on_drive(&plain, plain.len() < spelling.len())?;
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('\\') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => {
                usable(part)?;
                parts.push(part);
            }
        }
    }
    Ok(format!("{}:\\{}", drive.to_ascii_uppercase(), parts.join(r"\")))
}

/// The drive's letter, and what follows it; all separators of `path` are `\`.
fn on_drive(path: &str, verbatim: bool) -> Result<(char, &str), &'static str> {
    let mut signs = path.chars();
    if let (Some(drive @ ('a'..='z' | 'A'..='Z')), Some(':')) = (signs.next(), signs.next()) {
        return match signs.next() {
            None | Some('\\') => Ok((drive, signs.as_str())),
            Some(_) => Err("depends on the folder in which somebody is on that drive: write `\\` behind the colon"),
        };
    }
    if path.starts_with(r"\\.\") {
        return Err("is a device, and devices of this computer are not shared");
    }
    let of_shell = path.strip_prefix(r"\\").or_else(|| path.strip_prefix('\\'));
    if let Some(rest) = of_shell.filter(|_| !verbatim) {
        let (first, rest) = rest.split_once('\\').unwrap_or((rest, ""));
        if let (Some(drive @ ('a'..='z' | 'A'..='Z')), 1) = (first.chars().next(), first.len()) {
            return Ok((drive, rest));
        }
    }
    if verbatim || path.starts_with(r"\\") {
        return Err(
            "is of another computer: folders of the network are not shared, folders of this computer's drives are",
        );
    }
    Err(r"names no drive: write C:\… or /c/…")
}

/// Whether a folder or a file can be called so. What Windows would take for another name is none: nobody is to have by it what is not
/// theirs.
fn usable(name: &str) -> Result<(), &'static str> {
    if name.chars().any(|sign| sign < ' ' || r#"<>:"|?*"#.contains(sign)) {
        return Err(r#"has a sign in it that no name on Windows has: one of < > : " | ? * or one that is not seen"#);
    }
    if name.ends_with(['.', ' ']) {
        return Err("has a name in it that ends in a dot or a space, which Windows would leave out");
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |kind: &str| {
        let mut number = stem.strip_prefix(kind).unwrap_or_default().chars();
        // With the small raised ones.
        matches!((number.next(), number.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    if DEVICES.contains(&&*stem) || NUMBERED.into_iter().any(numbered) {
        return Err("has the name of a device in it, which is none of a file on Windows");
    }
    Ok(())
}

/// A path without links, as the system gives it (`\\?\C:\…`), in everybody's spelling. Of other systems: itself.
pub(super) fn plain(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_prefix(VERBATIM)) {
        Some(plain) if plain.as_bytes().get(1) == Some(&b':') => PathBuf::from(plain),
        _ => path,
    }
}

/// Whether `path` is `folder` or in it, where small letters are great ones. Both in one spelling.
pub(super) fn is_within(path: &Path, folder: &Path) -> bool {
    let folded = |path: &Path| PathBuf::from(path.to_string_lossy().to_lowercase());
    folded(path).starts_with(folded(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_folder_has_many_spellings() {
        for (spelling, expect) in [
            (r"C:\Users\me", r"C:\Users\me"),
            ("C:/Users/me", r"C:\Users\me"),
            (r"c:\Users/me\", r"C:\Users\me"),
            ("/c/Users/me", r"C:\Users\me"),
            ("//c/Users/me", r"C:\Users\me"),
            ("/C/Users//me/", r"C:\Users\me"),
            (r"\c\Users\me", r"C:\Users\me"),
            ("C:", r"C:\"),
            (r"C:\", r"C:\"),
            ("c:/", r"C:\"),
            ("/d", r"D:\"),
            ("/d/", r"D:\"),
            ("//d", r"D:\"),
            (r"D:\.\a\..\b", r"D:\b"),
            (r"D:\..\..\b", r"D:\b"),
            ("/d/../../b", r"D:\b"),
            (r"C:\Program Files (x86)\它", r"C:\Program Files (x86)\它"),
            (r"C:\Users\张伟\my project", r"C:\Users\张伟\my project"),
            ("/c/Users/José/.cache", r"C:\Users\José\.cache"),
            (r"\\?\C:\Users\me", r"C:\Users\me"),
            (r"C:\a.b\console\com\com10\nul2", r"C:\a.b\console\com\com10\nul2"),
        ] {
            assert_eq!(path(spelling).as_deref(), Ok(expect), "{spelling}");
        }
        let long = format!(r"C:\{}", vec!["很长的名字"; 100].join(r"\"));
        assert_eq!(path(&long), Ok(long.clone()));
        assert_eq!(path(&long.replace(r"C:\", "/c/").replace('\\', "/")), Ok(long));
    }

    #[test]
    fn what_is_no_folder_of_this_computer_is_told() {
        for (spelling, expect) in [
            (r"\\server\share", "is of another computer"),
            ("//server/share/x", "is of another computer"),
            (r"\\?\UNC\server\share", "is of another computer"),
            (r"\\?\Volume{0}\x", "is of another computer"),
            (r"\\?\\c\x", "is of another computer"),
            (r"\\.\pipe\berth_engine", "is a device"),
            ("//./pipe/docker_engine", "is a device"),
            ("C:Users", "behind the colon"),
            ("/Users/me", "names no drive"),
            ("/", "names no drive"),
            ("", "names no drive"),
            ("Users", "names no drive"),
            ("/cc/x", "names no drive"),
            ("/1/x", "names no drive"),
            ("/ü/x", "names no drive"),
            (r"C:\a\b:stream", "has a sign in it"),
            (r"C:\a?\b", "has a sign in it"),
            ("C:\\a\nb", "has a sign in it"),
            (r"C:\secret.\b", "ends in a dot"),
            (r"C:\secret \b", "ends in a dot"),
            (r"C:\...\b", "ends in a dot"),
            (r"C:\NUL", "name of a device"),
            (r"C:\a\nul.txt", "name of a device"),
            (r"C:\a\Com1 .log", "name of a device"),
            (r"C:\a\lpt²", "name of a device"),
        ] {
            let said = path(spelling).unwrap_err();
            assert!(said.contains(expect), "{spelling}: {said}");
        }
    }

    #[test]
    fn a_path_as_the_system_gives_it_is_plain() {
        let check = |path: &str, expect: &str| assert_eq!(plain(PathBuf::from(path)), Path::new(expect));
        check(r"\\?\C:\Users\me", r"C:\Users\me");
        check(r"\\?\UNC\server\share", r"\\?\UNC\server\share");
        check("/home/me", "/home/me");
    }

    #[test]
    fn great_letters_lead_to_no_other_folder() {
        let within = |path: &str, folder: &str| is_within(Path::new(path), Path::new(folder));
        assert!(within("C:/Users/Me/BERTH/tls", "C:/users/me/berth"));
        assert!(within("C:/Users/ÉCOLE", "C:/Users/école"));
        assert!(!within("C:/Users/Me/berthold", "C:/users/me/berth"));
    }
}
