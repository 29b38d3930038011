//! The setup for one user.

use packages::sign::Signer;
use packages::windows;

use crate::support::{Windows, inputs, makensis, skipped, small_programs};

/// Where it installs, and what Windows' list of programs says of it.
const PLACE: &str = r"%LOCALAPPDATA%\Programs\Berth";
const LISTED: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\Berth";

/// Shows what of Berth's is on this Windows: files, entries, and the user's PATH.
fn show(name: &str) -> String {
    format!(
        r#"
echo [{name}]
if exist "{PLACE}" dir /b /s "{PLACE}"
reg query "{LISTED}" /v DisplayVersion 2>nul
reg query HKCU\Environment /v Path 2>nul
if exist "%APPDATA%\Microsoft\Windows\Start Menu\Programs\Berth Quickstart Terminal.lnk" echo terminal in the menu
"#
    )
}

/// The lines between `[name]` and the next of its kind.
fn part<'a>(said: &'a str, name: &str) -> Vec<&'a str> {
    let lines = said.lines().skip_while(|line| *line != format!("[{name}]")).skip(1);
    lines.take_while(|line| !line.starts_with('[')).map(str::trim).filter(|line| !line.is_empty()).collect()
}

fn has(lines: &[&str], end: &str) -> bool {
    lines.iter().any(|line| line.ends_with(end))
}

#[test]
fn it_is_installed_used_replaced_and_removed() {
    let windows = match Windows::prepare() {
        Ok(windows) => windows,
        Err(why) => return skipped("it_is_installed_used_replaced_and_removed", &why),
    };
    let older = windows.setup("0.9.0");
    let newer = windows.setup("1.0.0-rc.1");
    let said = windows.run(&format!(
        r#"
reg add HKCU\Environment /v Path /t REG_EXPAND_SZ /d "%%USERPROFILE%%\go;C:\other" /f >nul
start /wait {older} /S
echo [first] %ERRORLEVEL%
{first}
"{PLACE}\bin\berth.exe" version
echo [version] %ERRORLEVEL%
type "{PLACE}\lib\berth\image\vmlinuz"
echo.
echo somebody's >"{PLACE}\bin\mine.txt"
start /wait {newer} /S /NOMENU
echo [second] %ERRORLEVEL%
{second}
type "{PLACE}\lib\berth\image\vmlinuz"
echo.
start /wait {newer} /S
echo [third] %ERRORLEVEL%
{third}
start /wait {newer} /S /MENU /D=C:\other place
echo [moved] %ERRORLEVEL%
{moved}
dir /b /s "C:\other place\bin"
start /wait "" "C:\other place\uninstall.exe" /S _?=C:\other place
echo [removed] %ERRORLEVEL%
{last}
dir /b /s "C:\other place\bin" 2>nul
"#,
        first = show("installed"),
        second = show("replaced"),
        third = show("again"),
        moved = show("elsewhere"),
        last = show("left"),
    ));
    for step in ["first", "version", "second", "third", "moved", "removed"] {
        assert!(said.contains(&format!("[{step}] 0\n")), "{step} in\n{said}");
    }
    let first = part(&said, "installed");
    for file in
        [r"bin\berth.exe", r"bin\docker-credential-berth.exe", r"lib\berth\image\root.erofs", r"doc\berth\LICENSE.txt"]
    {
        assert!(has(&first, file), "{file} in\n{said}");
    }
    assert!(has(&first, "0.9.0") && has(&first, "terminal in the menu"), "{said}");
    // What was there stays as it was, of the kind that it was.
    let path =
        |lines: &[&str]| lines.iter().find(|line| line.starts_with("Path")).copied().unwrap_or_default().to_owned();
    let before = r"Path    REG_EXPAND_SZ    %USERPROFILE%\go;C:\other";
    assert!(path(&first).starts_with(before) && path(&first).ends_with(r"\Programs\Berth\bin"), "{said}");
    assert!(said.contains("vmlinuz of 0.9.0") && said.contains("vmlinuz of 1.0.0-rc.1"), "{said}");
    let second = part(&said, "replaced");
    assert!(has(&second, "1.0.0-rc.1") && !has(&second, "terminal in the menu"), "{said}");
    assert_eq!(path(&second), path(&first), "{said}");
    // Nobody said it again, and it is remembered.
    assert!(!has(&part(&said, "again"), "terminal in the menu"), "{said}");
    let moved = part(&said, "elsewhere");
    assert!(path(&moved).ends_with(r";C:\other place\bin") && !path(&moved).contains(r"Programs\Berth"), "{said}");
    assert!(has(&moved, r"C:\other place\bin\berth.exe") && has(&moved, "terminal in the menu"), "{said}");
    assert!(!has(&moved, r"Programs\Berth\bin\berth.exe"), "{said}");
    let left = part(&said, "left");
    assert_eq!(path(&left), before, "{said}");
    let files: Vec<&&str> = left.iter().filter(|line| line.contains("Berth")).collect();
    let ends = [r"Berth\bin", r"bin\mine.txt"];
    assert!(files.iter().all(|file| ends.iter().any(|end| file.ends_with(end))), "{said}");
    assert!(!has(&left, "1.0.0-rc.1") && !has(&left, "berth.exe"), "{said}");
}

#[test]
fn data_stays_unless_it_is_to_go() {
    let windows = match Windows::prepare() {
        Ok(windows) => windows,
        Err(why) => return skipped("data_stays_unless_it_is_to_go", &why),
    };
    let setup = windows.setup("1.0.0");
    let said = windows.run(&format!(
        r#"
start /wait {setup} /S
"{PLACE}\bin\berth.exe" machine create work --json
start /wait "" "{PLACE}\uninstall.exe" /S _?={PLACE}
echo [kept] %ERRORLEVEL%
dir /b /s "%APPDATA%\berth"
start /wait {setup} /S
start /wait "" "{PLACE}\uninstall.exe" /S /DATA _?={PLACE}
echo [gone] %ERRORLEVEL%
dir /b /s "%APPDATA%\berth" "%LOCALAPPDATA%\berth" 2>nul
"#
    ));
    assert!(said.contains("[kept] 0\n") && said.contains("[gone] 0\n"), "{said}");
    let (kept, gone) = said.split_once("[gone]").unwrap();
    assert!(kept.contains(r"machines\work\settings.toml"), "{said}");
    assert!(!gone.contains("settings.toml") && !gone.contains(r"machines\work"), "{said}");
}

#[test]
fn the_same_bytes_twice() {
    if let Err(why) = makensis() {
        return skipped("the_same_bytes_twice", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs(folder.path(), "1.0.0", &small_programs(folder.path()));
    let written = ["one", "two"].map(|place| {
        let place = folder.path().join(place);
        let names = windows::write(&inputs, &Signer::default(), &place).unwrap();
        names.iter().map(|name| std::fs::read(place.join(name)).unwrap()).collect::<Vec<_>>()
    });
    assert!(written[0] == written[1], "they differ");
}

#[test]
fn everything_that_runs_is_signed() {
    if let Err(why) = makensis() {
        return skipped("everything_that_runs_is_signed", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let programs = small_programs(folder.path());
    let seen = folder.path().join("seen");
    // Appended to, a program is still one: as signatures are.
    let signer = Signer::by(&format!("sign() {{ printf signed >>\"$1\"; echo \"$1\" >>{}; }}; sign", seen.display()));
    let out = folder.path().join("out");
    let names = windows::write(&inputs(folder.path(), "1.0.0", &programs), &signer, &out).unwrap();
    for name in &names[..2] {
        assert!(std::fs::read(out.join(name)).unwrap().ends_with(b"signed"), "{name}");
    }
    let seen = std::fs::read_to_string(seen).unwrap();
    // Two programs, the uninstaller, setup and .msi.
    assert_eq!(seen.lines().count(), 5, "{seen}");
    assert_eq!(std::fs::read(programs.join("berth.exe")).unwrap(), b"MZ", "what was built is as it was");
}
