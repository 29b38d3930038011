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
    let value = quoted(shell, value);
    match (shell, unset) {
        (ShellKind::Sh, false) => {
            format!("export DOCKER_HOST={value}\nunset DOCKER_CONTEXT\n# run: eval \"$(berth env)\"\n")
        }
        (ShellKind::Sh, true) => "unset DOCKER_HOST\n# run: eval \"$(berth env --unset)\"\n".to_owned(),
        (ShellKind::Fish, false) => {
            format!("set -gx DOCKER_HOST {value}\nset -e DOCKER_CONTEXT\n# run: berth env | source\n")
        }
        (ShellKind::Fish, true) => "set -e DOCKER_HOST\n# run: berth env --unset | source\n".to_owned(),
        (ShellKind::Powershell, false) => {
            format!("$Env:DOCKER_HOST = {value}\n# run: berth env | Out-String | Invoke-Expression\n")
        }
        (ShellKind::Powershell, true) => {
            "Remove-Item Env:DOCKER_HOST -ErrorAction SilentlyContinue\n# run: berth env --unset | Out-String | Invoke-Expression\n"
                .to_owned()
        }
        (ShellKind::Cmd, false) => {
            format!("SET \"DOCKER_HOST={value}\"\r\nREM run: FOR /f \"tokens=*\" %i IN ('berth env') DO @%i\r\n")
        }
        (ShellKind::Cmd, true) => {
            "SET DOCKER_HOST=\r\nREM run: FOR /f \"tokens=*\" %i IN ('berth env --unset') DO @%i\r\n".to_owned()
        }
    }
}

/// `value` as a literal of `shell`, whatever is in it.
fn quoted(shell: ShellKind, value: &str) -> String {
    match shell {
        // Nothing is special within the quotes but their end.
        ShellKind::Sh => format!("'{}'", value.replace('\'', r"'\''")),
        // Two characters are escaped within single quotes.
        ShellKind::Fish => format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
        // A quote is doubled, and the typographic ones are quotes to it too (about_Quoting_Rules).
        ShellKind::Powershell => {
            let doubled = |c: char| if is_powershell_quote(c) { format!("{c}{c}") } else { c.to_string() };
            format!("'{}'", value.chars().map(doubled).collect::<String>())
        }
        // SET takes everything up to the last quote of the line, and what FOR puts in is not read again for other signs.
        ShellKind::Cmd => value.to_owned(),
    }
}

fn is_powershell_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}')
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

    /// A path with whatever a folder's name can hold.
    const NASTY: &str = "unix:///it's \"my\" $HOME `id` \\ ’s & 100%/engine.sock";

    /// What the shell has in DOCKER_HOST after `text`; `None` when it is not installed.
    fn told(program: &str, option: &str, text: &str, print: &str) -> Option<String> {
        let script = format!("{text}{print}");
        let out =
            std::process::Command::new(program).args([option, &script]).env("DOCKER_CONTEXT", "x").output().ok()?;
        assert!(out.status.success(), "{program}: {out:?}");
        Some(String::from_utf8(out.stdout).unwrap())
    }

    #[test]
    fn a_shell_takes_the_lines() {
        let posix = "printf '%s|%s' \"$DOCKER_HOST\" \"$DOCKER_CONTEXT\"";
        for value in ["unix:///run/berth/engine.sock", NASTY] {
            let text = lines(ShellKind::Sh, value, false);
            assert_eq!(told("sh", "-c", &text, posix).unwrap(), format!("{value}|"));
            for shell in ["bash", "zsh", "dash"] {
                assert!(told(shell, "-c", &text, posix).is_none_or(|said| said == format!("{value}|")), "{shell}");
            }
            let text = lines(ShellKind::Fish, value, false);
            let said = told("fish", "-c", &text, "printf '%s' $DOCKER_HOST");
            assert!(said.is_none_or(|said| said == value));
            let text = lines(ShellKind::Powershell, value, false);
            let said = told("pwsh", "-Command", &text, "[Console]::Out.Write($Env:DOCKER_HOST)");
            assert!(said.is_none_or(|said| said == value));
        }
        for shell in [ShellKind::Sh, ShellKind::Fish, ShellKind::Powershell, ShellKind::Cmd] {
            assert!(lines(shell, "value", false).contains("value"));
            assert!(!lines(shell, "value", true).contains("value"));
        }
    }

    #[test]
    fn quotes_in_a_path_end_no_literal() {
        assert_eq!(quoted(ShellKind::Sh, "it's"), r"'it'\''s'");
        assert_eq!(quoted(ShellKind::Fish, r"it's \"), r"'it\'s \\'");
        assert_eq!(quoted(ShellKind::Powershell, "it's ’t"), "'it''s ’’t'");
        let cmd = lines(ShellKind::Cmd, "npipe:////./pipe/it's & 100%", false);
        assert!(cmd.starts_with("SET \"DOCKER_HOST=npipe:////./pipe/it's & 100%\"\r\n"), "{cmd}");
    }
}
