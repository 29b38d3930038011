//! `berth env`: the lines that point docker at the machine, for the caller's shell to evaluate.

use host::context;
use host::paths::Paths;

use crate::args::{EnvArgs, ShellKind};
use crate::{Failure, print_json};

/// A variable and what it is to be.
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

impl Variable {
    pub(crate) fn new(name: &'static str, value: String) -> Self {
        Self { name, value }
    }
}

pub(crate) fn env(paths: &Paths, args: &EnvArgs) -> Result<i32, Failure> {
    let value = context::docker_host(&paths.engine_socket());
    if args.json {
        return print_json(&serde_json::json!({ "DOCKER_HOST": value }));
    }
    let shell = args.shell.unwrap_or_else(own_shell);
    print!("{}", shell_lines("berth env", shell, &[Variable::new("DOCKER_HOST", value)], args.unset));
    Ok(0)
}

/// What would lead docker elsewhere, or have it speak TLS to a socket.
const IN_THE_WAY: [&str; 3] = ["DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"];

/// What `shell` must evaluate so that docker goes where `variables` say, or no longer does; ends in a comment that says how. `verb`: the
/// command that prints them.
pub(crate) fn shell_lines(verb: &str, shell: ShellKind, variables: &[Variable], unset: bool) -> String {
    let mut text = String::new();
    for variable in variables {
        text.push_str(&if unset { without(shell, variable.name) } else { with(shell, variable) });
    }
    let theirs = |name: &&str| !unset && variables.iter().all(|variable| variable.name != *name);
    text.extend(IN_THE_WAY.iter().filter(|name| theirs(name)).map(|name| without(shell, name)));
    let verb = if unset { format!("{verb} --unset") } else { verb.to_owned() };
    text + &match shell {
        ShellKind::Sh => format!("# run: eval \"$({verb})\"\n"),
        ShellKind::Fish => format!("# run: {verb} | source\n"),
        ShellKind::Powershell => format!("# run: {verb} | Out-String | Invoke-Expression\n"),
        ShellKind::Cmd => format!("REM run: FOR /f \"tokens=*\" %i IN ('{verb}') DO @%i\r\n"),
    }
}

fn with(shell: ShellKind, Variable { name, value }: &Variable) -> String {
    let value = quoted(shell, value);
    match shell {
        ShellKind::Sh => format!("export {name}={value}\n"),
        ShellKind::Fish => format!("set -gx {name} {value}\n"),
        ShellKind::Powershell => format!("$Env:{name} = {value}\n"),
        ShellKind::Cmd => format!("SET \"{name}={value}\"\r\n"),
    }
}

fn without(shell: ShellKind, name: &str) -> String {
    match shell {
        ShellKind::Sh => format!("unset {name}\n"),
        ShellKind::Fish => format!("set -e {name}\n"),
        ShellKind::Powershell => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue\n"),
        ShellKind::Cmd => format!("SET {name}=\r\n"),
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
pub(crate) fn own_shell() -> ShellKind {
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

    fn lines(shell: ShellKind, value: &str, unset: bool) -> String {
        shell_lines("berth env", shell, &[Variable::new("DOCKER_HOST", value.to_owned())], unset)
    }

    /// A path with whatever a folder's name can hold.
    #[cfg(unix)]
    const NASTY: &str = "unix:///it's \"my\" $HOME `id` \\ ’s & 100%/engine.sock";

    /// What the shell has in DOCKER_HOST after `text`; `None` when it is not installed.
    #[cfg(unix)]
    fn told(program: &str, option: &str, text: &str, print: &str) -> Option<String> {
        let script = format!("{text}{print}");
        let out =
            std::process::Command::new(program).args([option, &script]).env("DOCKER_CONTEXT", "x").output().ok()?;
        assert!(out.status.success(), "{program}: {out:?}");
        Some(String::from_utf8(out.stdout).unwrap())
    }

    // Asks shells of Unix.
    #[cfg(unix)]
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

    // Asks shells of Unix.
    #[cfg(unix)]
    #[test]
    fn what_would_be_in_the_way_is_unset() {
        let text = lines(ShellKind::Sh, "unix:///s", false);
        let script = format!("{text}echo \"$DOCKER_HOST|$DOCKER_CONTEXT$DOCKER_TLS_VERIFY$DOCKER_CERT_PATH|\"");
        let mut sh = std::process::Command::new("sh");
        let out = sh.args(["-c", &script]).envs(IN_THE_WAY.map(|name| (name, "x"))).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), "unix:///s||\n");

        let variables = [Variable::new("DOCKER_TLS_VERIFY", "1".to_owned())];
        let text = shell_lines("berth tls env", ShellKind::Sh, &variables, false);
        assert!(text.starts_with("export DOCKER_TLS_VERIFY='1'\nunset DOCKER_CONTEXT\n"), "{text}");
        assert!(!text.contains("unset DOCKER_TLS_VERIFY"), "{text}");
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
