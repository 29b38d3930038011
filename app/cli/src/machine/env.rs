//! `berth env`: the lines that point docker at the machine, for the caller's shell to evaluate.

use host::context;
use host::paths::Paths;

use crate::args::{EnvArgs, ShellKind};
use crate::{Failure, print_json};

pub(crate) fn env(paths: &Paths, args: &EnvArgs) -> Result<i32, Failure> {
    let value = context::docker_host(&paths.engine_socket());
    if args.json {
        return print_json(&serde_json::json!({ "DOCKER_HOST": value }));
    }
    let shell = args.shell.unwrap_or_else(own_shell);
    print!("{}", lines(shell, &value, args.unset));
    Ok(0)
}

/// What `shell` must evaluate, ending in a comment that says how.
fn lines(shell: ShellKind, value: &str, unset: bool) -> String {
    // The engine socket's path is chosen by `paths` and holds no quotes.
    match (shell, unset) {
        (ShellKind::Sh, false) => format!("export DOCKER_HOST='{value}'\nunset DOCKER_CONTEXT\n# run: eval \"$(berth env)\"\n"),
        (ShellKind::Sh, true) => "unset DOCKER_HOST\n# run: eval \"$(berth env --unset)\"\n".to_owned(),
        (ShellKind::Fish, false) => format!("set -gx DOCKER_HOST '{value}'\nset -e DOCKER_CONTEXT\n# run: berth env | source\n"),
        (ShellKind::Fish, true) => "set -e DOCKER_HOST\n# run: berth env --unset | source\n".to_owned(),
        (ShellKind::Powershell, false) => {
            format!("$Env:DOCKER_HOST = '{value}'\n# run: berth env | Out-String | Invoke-Expression\n")
        }
        (ShellKind::Powershell, true) => {
            "Remove-Item Env:DOCKER_HOST -ErrorAction SilentlyContinue\n# run: berth env --unset | Out-String | Invoke-Expression\n"
                .to_owned()
        }
        (ShellKind::Cmd, false) => format!("SET DOCKER_HOST={value}\r\nREM run: FOR /f \"tokens=*\" %i IN ('berth env') DO @%i\r\n"),
        (ShellKind::Cmd, true) => "SET DOCKER_HOST=\r\nREM run: FOR /f \"tokens=*\" %i IN ('berth env --unset') DO @%i\r\n".to_owned(),
    }
}

/// The shell that the caller most likely uses, from `$SHELL`.
pub(super) fn own_shell() -> ShellKind {
    let shell = std::env::var("SHELL").unwrap_or_default();
    match shell.rsplit('/').next() {
        Some("fish") => ShellKind::Fish,
        Some("pwsh") => ShellKind::Powershell,
        Some("") | None if cfg!(windows) => ShellKind::Powershell,
        _ => ShellKind::Sh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_lines() {
        let text = lines(ShellKind::Sh, "unix:///run/berth/engine.sock", false);
        let script = format!("{text}\necho $DOCKER_HOST");
        let out = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(out.stdout, b"unix:///run/berth/engine.sock\n");
        for shell in [ShellKind::Sh, ShellKind::Fish, ShellKind::Powershell, ShellKind::Cmd] {
            assert!(lines(shell, "value", false).contains("value"));
            assert!(!lines(shell, "value", true).contains("value"));
        }
    }
}
