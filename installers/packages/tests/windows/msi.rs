//! The .msi for all users.

use crate::support::{Windows, skipped};

const PLACE: &str = r"%ProgramFiles%\Berth";
const PATH: &str = r"HKLM\System\CurrentControlSet\Control\Session Manager\Environment";

#[test]
fn it_is_installed_replaced_and_removed() {
    let windows = match Windows::prepare() {
        Ok(windows) => windows,
        Err(why) => return skipped("it_is_installed_replaced_and_removed", &why),
    };
    let (older, newer) = (windows.msi("0.9.0"), windows.msi("1.0.0"));
    let show = |name: &str| {
        format!(
            r#"
echo [{name}]
if exist "{PLACE}" dir /b /s "{PLACE}"
reg query "{PATH}" /v Path
rem Wine has the user's menu for everybody's.
dir /b /s C:\*.lnk 2>nul
"#
        )
    };
    let said = windows.run(&format!(
        r#"
msiexec /i {older} /qn
echo [first] %ERRORLEVEL%
{first}
"{PLACE}\bin\berth.exe" version
echo [version] %ERRORLEVEL%
msiexec /i {newer} /qn
echo [second] %ERRORLEVEL%
type "{PLACE}\lib\berth\image\vmlinuz"
echo.
{second}
msiexec /x {newer} /qn
echo [removed] %ERRORLEVEL%
{left}
msiexec /i {newer} /qn ADDLOCAL=Programs
echo [alone] %ERRORLEVEL%
{alone}
"#,
        first = show("installed"),
        second = show("replaced"),
        left = show("left"),
        alone = show("programs"),
    ));
    for step in ["first", "version", "second", "removed", "alone"] {
        assert!(said.contains(&format!("[{step}] 0\n")), "{step} in\n{said}");
    }
    let part = |name: &str| {
        let rest = said.split_once(&format!("[{name}]\n")).unwrap().1;
        rest.split("\n[").next().unwrap().to_owned()
    };
    for name in ["installed", "replaced"] {
        let there = part(name);
        assert!(
            there.contains(r"Berth\bin\berth.exe") && there.contains(r"Berth\lib\berth\image\root.erofs"),
            "{said}"
        );
        let on_path = |line: &str| line.contains("REG_") && line.contains(r";C:\Program Files\Berth\bin");
        assert_eq!(there.lines().filter(|line| on_path(line)).count(), 1, "{said}");
        assert!(there.contains("Berth Quickstart Terminal.lnk"), "{said}");
    }
    assert!(said.contains("vmlinuz of 1.0.0"), "{said}");
    let left = part("left");
    assert!(!left.contains("Berth") && !left.contains("Berth Quickstart Terminal.lnk"), "{said}");
    let alone = part("programs");
    assert!(alone.contains(r"Berth\bin\berth.exe") && !alone.contains("Berth Quickstart Terminal.lnk"), "{said}");
    assert!(!alone.lines().any(|line| line.contains("REG_") && line.contains("Berth")), "{said}");
}
