//! The plan as a setup for one user, by NSIS (<https://nsis.sourceforge.io/Docs/>): the script is `nsis/setup.nsi`, what it includes is written
//! here.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::plan::{ICON, Plan, split};
use crate::error::IoContext;
use crate::plan::{Content, Inputs};
use crate::sign::Signer;
use crate::{Result, tool};

const SCRIPT: &str = include_str!("../../nsis/setup.nsi");
const WORDS: &str = include_str!("../../nsis/words.nsh");

/// `berth-0.1.0-setup.exe`.
pub fn name(inputs: &Inputs) -> String {
    format!("berth-{}-setup.exe", inputs.version)
}

/// Writes it to `to`, by `makensis`.
///
/// # Errors
/// When a file cannot be read, or `makensis` fails.
pub fn write(inputs: &Inputs, plan: &Plan, signer: &Signer, to: &Path) -> Result<()> {
    let folder = tempfile::tempdir().at("create a folder in", std::env::temp_dir())?;
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).at("write", path)
    };
    let to = std::path::absolute(to).at("resolve", to)?;
    let mut text = text(inputs, plan, folder.path(), &to)?;
    if let Some(command) = signer.command() {
        // While it is made, as nobody else sees the uninstaller before it is in the setup.
        put("sign", format!("#!/bin/sh\nset -eu\n{command} \"$1\"\n").as_bytes())?;
        text.push_str("!uninstfinalize 'sh sign \"%1\"' = 0\n");
    }
    put("plan.nsh", text.as_bytes())?;
    put("words.nsh", WORDS.as_bytes())?;
    put("setup.nsi", SCRIPT.as_bytes())?;
    for (index, file) in plan.files.iter().enumerate() {
        if let Content::Bytes(bytes) = &file.content {
            put(&index.to_string(), bytes)?;
        }
    }
    let mut command = Command::new("makensis");
    // A warning is a mistake of the script.
    command.args(["-V2", "-WX", "-INPUTCHARSET", "UTF8", "setup.nsi"]).current_dir(folder.path());
    command.env("SOURCE_DATE_EPOCH", inputs.date.to_string());
    tool::text(&mut command).map(drop)
}

/// What the script includes; `written` is the folder of the files that are made, by their numbers in the plan.
fn text(inputs: &Inputs, plan: &Plan, written: &Path, to: &Path) -> Result<String> {
    // The script is elsewhere than who named the files.
    let source = |index: usize, content: &Content| {
        let path = match content {
            Content::At(path) => std::path::absolute(path).at("resolve", path)?,
            Content::Bytes(_) => written.join(index.to_string()),
        };
        Ok::<_, crate::Error>(quoted(&path.display().to_string()))
    };
    let icon = plan.files.iter().position(|file| file.to == ICON).expect("the plan has the icon");
    let mut text = format!(
        "SetCompressor {}\n!define VERSION {}\n!define NUMBER {}\n!define SIZE {}\n!define OUT {}\n!define ICON {}\n",
        // What takes minutes for what users are given.
        if inputs.effort < 9 { "zlib" } else { "/SOLID lzma" },
        quoted(&inputs.version),
        quoted(&super::number(&inputs.version)),
        plan.size()?,
        quoted(&to.display().to_string()),
        source(icon, &plan.files[icon].content)?,
    );
    let (mut last, mut taken) = (None, String::new());
    text.push_str("!macro PutFiles\n");
    for (index, file) in plan.files.iter().enumerate() {
        let (folder, name) = split(&file.to);
        if last.replace(folder) != Some(folder) {
            text.push_str(&format!("  SetOutPath {}\n", below(folder)));
        }
        text.push_str(&format!("  File {} {}\n", quoted(&format!("/oname={name}")), source(index, &file.content)?));
        taken.push_str(&format!("  Delete {}\n", below(&file.to)));
    }
    // A folder goes when nothing else is in it.
    plan.folders().iter().rev().for_each(|folder| taken.push_str(&format!("  RMDir {}\n", below(folder))));
    text.push_str(&format!("!macroend\n!macro TakeFiles\n{taken}!macroend\n"));
    Ok(text)
}

/// A path below the folder of what is installed.
fn below(path: &str) -> String {
    let separator = if path.is_empty() { "" } else { "\\" };
    format!("\"$INSTDIR{separator}{}\"", escaped(path))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('$', "$$").replace('"', "$\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::Made;
    use crate::plan::File;

    #[test]
    fn what_is_put_is_taken_away() {
        let inputs = Inputs {
            version: "0.2.0-rc.1".to_owned(),
            date: 0,
            programs: "/p".into(),
            image: "/i".into(),
            made: Made::default(),
            notices: String::new(),
            sbom: String::new(),
            effort: 0,
        };
        let file = |to: &str| File { to: to.to_owned(), content: Content::Bytes(vec![0; 2048]), mode: 0o644 };
        let plan = Plan { files: vec![file(ICON), file(r"bin\a$b.exe"), file(r"lib\x\y")] };
        let text = text(&inputs, &plan, Path::new("/tmp/w"), Path::new("/out/\"setup\".exe")).unwrap();
        let expected = r#"SetCompressor zlib
!define VERSION "0.2.0-rc.1"
!define NUMBER "0.2.0.0"
!define SIZE 6
!define OUT "/out/$\"setup$\".exe"
!define ICON "/tmp/w/0"
!macro PutFiles
  SetOutPath "$INSTDIR"
  File "/oname=berth.ico" "/tmp/w/0"
  SetOutPath "$INSTDIR\bin"
  File "/oname=a$$b.exe" "/tmp/w/1"
  SetOutPath "$INSTDIR\lib\x"
  File "/oname=y" "/tmp/w/2"
!macroend
!macro TakeFiles
  Delete "$INSTDIR\berth.ico"
  Delete "$INSTDIR\bin\a$$b.exe"
  Delete "$INSTDIR\lib\x\y"
  RMDir "$INSTDIR\lib\x"
  RMDir "$INSTDIR\lib"
  RMDir "$INSTDIR\bin"
!macroend
"#;
        assert_eq!(text, expected);
    }
}
