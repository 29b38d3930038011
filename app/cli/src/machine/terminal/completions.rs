//! How the user's own shell is begun so that it completes `berth` and `docker`, after all that its own files set.
//!
//! A shell that is not known here, such as `cmd`, is begun as it is.

use std::ffi::OsString;
use std::path::Path;

use clap_complete::Shell;
use host::{Error, Result, sys};

use crate::manual;

/// What a shell is begun with.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    pub(super) arguments: Vec<OsString>,
    pub(super) variables: Vec<(&'static str, OsString)>,
}

/// Writes what the shell `program` reads into `folder`.
pub(super) fn prepare(folder: &Path, program: &str) -> Result<Beginning> {
    let Some(shell) = shell(program) else { return Ok(Beginning::default()) };
    std::fs::create_dir_all(folder).map_err(Error::file("create the folder", folder))?;
    let berth = manual::script(shell);
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        // Whole at any time: another terminal may be reading it.
        sys::write_private(&path, text.as_bytes()).map(|()| path)
    };
    Ok(match shell {
        Shell::Bash => {
            let file = write("bashrc", &format!("{BASH_BEFORE}{berth}\n{BASH_DOCKER}"))?;
            Beginning { arguments: vec!["--rcfile".into(), file.into()], variables: vec![] }
        }
        Shell::Zsh => {
            write(".zshenv", ZSHENV)?;
            write("berth.zsh", &berth)?;
            write(".zshrc", ZSHRC)?;
            let own = std::env::var_os("ZDOTDIR").filter(|folder| !folder.is_empty());
            let mut variables = vec![("ZDOTDIR", folder.into())];
            variables.extend(own.map(|own| ("BERTH_ZDOTDIR", own)));
            Beginning { arguments: vec![], variables }
        }
        Shell::Fish => {
            let file = write("berth.fish", &format!("{berth}\n{FISH_DOCKER}"))?;
            let source = format!("source '{}'", fish_quoted(&file.to_string_lossy()));
            Beginning { arguments: vec!["--init-command".into(), source.into()], variables: vec![] }
        }
        Shell::PowerShell => {
            let file = write("berth.ps1", &format!("{berth}\n{POWERSHELL_DOCKER}"))?;
            // Not as a script, which Windows refuses to run until somebody allows it, and which its older PowerShell reads in the wrong letters.
            let quoted = file.to_string_lossy().replace('\'', "''");
            let source = format!("Get-Content -Raw -Encoding UTF8 -LiteralPath '{quoted}' | Invoke-Expression");
            let arguments = ["-NoExit", "-NoLogo", "-Command", &source].map(OsString::from).to_vec();
            Beginning { arguments, variables: vec![] }
        }
        _ => Beginning::default(),
    })
}

fn shell(program: &str) -> Option<Shell> {
    let name = Path::new(program).file_stem()?.to_str()?.to_ascii_lowercase();
    match name.as_str() {
        "bash" => Some(Shell::Bash),
        "zsh" => Some(Shell::Zsh),
        "fish" => Some(Shell::Fish),
        "pwsh" | "powershell" => Some(Shell::PowerShell),
        _ => None,
    }
}

fn fish_quoted(text: &str) -> String {
    text.replace('\\', r"\\").replace('\'', r"\'")
}

/// In place of `~/.bashrc`, which is read first.
const BASH_BEFORE: &str = "if [ -f ~/.bashrc ]; then . ~/.bashrc; fi\n";

/// Docker's script stands on the package bash-completion; without it each Tab would be an error.
const BASH_DOCKER: &str = "\
if ! complete -p docker >/dev/null 2>&1 && command -v docker >/dev/null && declare -F _get_comp_words_by_ref >/dev/null; then
  . <(docker completion bash 2>/dev/null)
fi
";

/// The user's files are read as if their folder were `ZDOTDIR` all along.
const ZSHENV: &str = "\
BERTH_OWN_ZDOTDIR=$ZDOTDIR
if [[ -n $BERTH_ZDOTDIR ]]; then ZDOTDIR=$BERTH_ZDOTDIR; else unset ZDOTDIR; fi
if [[ -f ${ZDOTDIR:-$HOME}/.zshenv ]]; then . ${ZDOTDIR:-$HOME}/.zshenv; fi
if [[ -n $ZDOTDIR ]]; then BERTH_ZDOTDIR=$ZDOTDIR; fi
ZDOTDIR=$BERTH_OWN_ZDOTDIR
";

/// The system's own files may have put the history beside the files that are read.
const ZSHRC: &str = "\
if [[ -n $BERTH_ZDOTDIR ]]; then ZDOTDIR=$BERTH_ZDOTDIR; else unset ZDOTDIR; fi
if [[ $HISTFILE == $BERTH_OWN_ZDOTDIR/* ]]; then HISTFILE=${ZDOTDIR:-$HOME}/${HISTFILE:t}; fi
if [[ -f ${ZDOTDIR:-$HOME}/.zshrc ]]; then . ${ZDOTDIR:-$HOME}/.zshrc; fi
if (( ! $+functions[compdef] )); then autoload -Uz compinit && compinit -i -D; fi
. $BERTH_OWN_ZDOTDIR/berth.zsh
if (( ! $+_comps[docker] && $+commands[docker] )); then . <(docker completion zsh 2>/dev/null); fi
unset BERTH_ZDOTDIR BERTH_OWN_ZDOTDIR
";

/// Fish finds the scripts of packages by itself.
const FISH_DOCKER: &str = "\
if command -q docker; and test -z \"$(complete -c docker)\"
  docker completion fish 2>/dev/null | source
end
";

const POWERSHELL_DOCKER: &str = "\
if (Get-Command docker -ErrorAction SilentlyContinue) { docker completion powershell 2>$null | Out-String | Invoke-Expression }
";

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    /// What an interactive `shell`, begun as a terminal's, says to `command`; `None` where it is not installed. The user's `own` file has
    /// been read, and `docker` is one whose completions are a word.
    fn said(shell: &str, own: (&str, &str), command: &str) -> Option<String> {
        let program = host::sys::in_path(shell)?;
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(own.0);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, own.1).unwrap();
        let docker = home.path().join("bin/docker");
        std::fs::create_dir(home.path().join("bin")).unwrap();
        let text = "#!/bin/sh\ncase $2 in\n\
                    bash) echo \"complete -W whale docker\";;\n\
                    zsh) echo \"_docker() { compadd whale }; compdef _docker docker\";;\n\
                    fish) echo \"complete -c docker -f -a whale\";;\nesac\n";
        std::fs::write(&docker, text).unwrap();
        std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
        let folder = home.path().join("it's \"here\"");
        let beginning = prepare(&folder, &program.to_string_lossy()).unwrap();
        let path = format!("{}:{}", docker.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let out = Command::new(program)
            .args(beginning.arguments)
            .args(["-i", "-c", command])
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path().join(".config"))
            .env("PATH", path)
            .env_remove("ZDOTDIR")
            .envs(beginning.variables)
            .output()
            .unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success(), "{shell}: {text}\n{}", String::from_utf8_lossy(&out.stderr));
        Some(text)
    }

    #[test]
    fn bash_completes_berth_and_docker_after_its_own_file() {
        let own = (".bashrc", "_get_comp_words_by_ref() { :; }\nMINE=mine\n");
        let tab = "COMP_WORDS=(berth mach) COMP_CWORD=1; _berth berth mach berth; echo ${COMPREPLY[@]}";
        let text = said("bash", own, &format!("echo $MINE; {tab}; complete -p docker")).expect("bash is installed");
        assert_eq!(text.lines().collect::<Vec<_>>(), ["mine", "machine", "complete -W 'whale' docker"]);
        // Without what docker's script stands on it is not loaded, unless the user's own files do.
        let text = said("bash", (".bashrc", ""), "complete -p docker 2>&1 || declare -F _get_comp_words_by_ref; true");
        assert!(!text.unwrap().contains("whale"));
    }

    #[test]
    fn zsh_completes_berth_and_docker_after_its_own_files() {
        let own = (".zshrc", "MINE=mine\n");
        let command = "print -r -- $MINE ${ZDOTDIR-unset} $_comps[berth] $_comps[docker]";
        let Some(text) = said("zsh", own, command) else {
            println!("SKIPPED: zsh_completes_berth_and_docker_after_its_own_files: zsh is not installed");
            return;
        };
        assert_eq!(text.trim(), "mine unset _berth _docker");
    }

    #[test]
    fn fish_completes_berth_and_docker_after_its_own_file() {
        let own = (".config/fish/config.fish", "set MINE mine\n");
        let Some(text) = said("fish", own, "echo $MINE; complete -C 'berth mach'; complete -C 'docker '") else {
            println!("SKIPPED: fish_completes_berth_and_docker_after_its_own_file: fish is not installed");
            return;
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(["mine", "machine", "whale"].iter().all(|word| words.contains(word)), "{text:?}");
    }

    #[test]
    fn a_shell_that_is_not_known_is_begun_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("none");
        for program in ["/bin/sh", "cmd.exe", "", "/usr/bin/nu"] {
            let beginning = prepare(&folder, program).unwrap();
            assert!(beginning.arguments.is_empty() && beginning.variables.is_empty(), "{program}");
        }
        assert!(!folder.exists());
        let unix = prepare(&folder, "/usr/bin/pwsh").unwrap();
        assert!(unix.arguments.iter().any(|argument| argument == "-NoExit"), "{unix:?}");
    }
}
