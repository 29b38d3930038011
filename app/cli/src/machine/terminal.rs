//! `berth terminal`: the quickstart terminal. Boots if needed, sets DOCKER_HOST for this shell only, then your own shell, which completes
//! `berth` and `docker`.

mod completions;

use std::path::PathBuf;
use std::process::Command;

use host::context;
use host::machine::Phase;
use host::machines::{DEFAULT, Name};
use host::paths::{MACHINE_VARIABLE, Paths};
use rust_i18n::t;

use super::{connect_or_start, progress};
use crate::Failure;
use crate::args::TerminalArgs;

pub(crate) async fn terminal(paths: Paths, args: TerminalArgs) -> Result<i32, Failure> {
    if args.banner {
        banner(&paths);
        return Ok(0);
    }
    let booted = boot(paths.clone()).await;
    match &booted {
        Ok(()) => banner(&paths),
        // A terminal that closes on an error tells nobody anything: say it and leave a usable shell.
        Err(failure) => {
            failure.say(false);
            // Where nothing was booted there is no console.
            let log = Some(paths.console_log()).filter(|log| log.exists()).unwrap_or_else(|| paths.daemon_log());
            eprintln!("{}", t!("terminal.no_machine", log = log.display()));
        }
    }
    let mut shell = Command::new(program());
    match completions::prepare(&paths.terminal_dir(), &program()) {
        Ok(beginning) => drop(shell.args(beginning.arguments).envs(beginning.variables)),
        // A shell without them is better than none.
        Err(error) => Failure::from(error).say(false),
    }
    if booted.is_ok() {
        shell.env("DOCKER_HOST", context::docker_host(&paths.engine_socket())).env_remove("DOCKER_CONTEXT");
        // For addresses, not for sockets.
        shell.env_remove("DOCKER_TLS_VERIFY").env_remove("DOCKER_CERT_PATH");
    }
    // Whatever machine is in use by then: here it stays this one.
    shell.env(MACHINE_VARIABLE, paths.machine().map_or(DEFAULT, Name::as_str));
    shell.env("BERTH_TERMINAL", "1");
    let status = shell.status().map_err(|error| Failure::new(1, format!("{}: {error}", program())))?;
    Ok(status.code().unwrap_or(1))
}

async fn boot(paths: Paths) -> Result<(), Failure> {
    let client = connect_or_start(paths).await?;
    if client.status().await?.machine.phase != Phase::Running {
        progress::follow(client.up().await?, false, &[Phase::Running]).await?;
    }
    Ok(())
}

fn banner(paths: &Paths) {
    println!(
        r"
            ┌──┬──┬──┐
            │▒▒│  │▒▒│        {}
      ┌──┬──┼──┼──┼──┼──┐
      │  │▒▒│  │▒▒│  │▒▒│     {}
   ╲══╧══╧══╧══╧══╧══╧══╧══╱
    ╲_____________________╱   {}
  ~~~~ ~~~~ ~~~~ ~~~~ ~~~~
",
        t!("banner.ready"),
        t!("banner.what"),
        if docker_on_path() { t!("banner.docker") } else { t!("banner.berth") },
    );
    println!("{}", t!("banner.next"));
    for line in next_steps(docker_on_path(), &context::name(paths.machine())) {
        println!("    {line}");
    }
    println!();
}

/// Three commands to try: with docker's own CLI where there is one.
fn next_steps(docker: bool, context: &str) -> [String; 3] {
    let hello = if docker { format!("docker --context {context} run") } else { "berth run".to_owned() };
    ["berth run -it busybox sh".to_owned(), format!("{hello} --rm hello-world"), "berth status".to_owned()]
}

fn docker_on_path() -> bool {
    host::sys::in_path("docker").is_some()
}

/// The user's own shell.
fn program() -> String {
    if cfg!(windows) {
        return on_windows(|name| std::env::var(name).ok(), host::sys::in_path);
    }
    std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned())
}

/// Windows keeps no word of which shell is somebody's (decision 0064): `cmd` where one leads here, which leaves its `PROMPT` to all that
/// it starts; else PowerShell, the newer one first; else what `COMSPEC` names.
fn on_windows(variable: impl Fn(&str) -> Option<String>, found: impl Fn(&str) -> Option<PathBuf>) -> String {
    let cmd = || variable("COMSPEC").unwrap_or_else(|| "cmd.exe".to_owned());
    if variable("PROMPT").is_some() {
        return cmd();
    }
    let power_shell = ["pwsh", "powershell"].into_iter().find_map(found);
    power_shell.map_or_else(cmd, |path| path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_windows_it_is_power_shell_unless_cmd_leads_here() {
        let comspec = r"C:\Windows\system32\cmd.exe";
        let shell = |prompt: Option<&str>, there: &[&str]| {
            let variable = |name: &str| match name {
                "PROMPT" => prompt.map(str::to_owned),
                "COMSPEC" => Some(comspec.to_owned()),
                _ => None,
            };
            on_windows(variable, |name| there.contains(&name).then(|| format!("C:/{name}.exe").into()))
        };
        assert_eq!(shell(None, &["powershell", "pwsh"]), "C:/pwsh.exe");
        assert_eq!(shell(None, &["powershell"]), "C:/powershell.exe");
        assert_eq!(shell(None, &[]), comspec);
        assert_eq!(shell(Some("$P$G"), &["powershell", "pwsh"]), comspec);
        assert_eq!(on_windows(|_| None, |_| None), "cmd.exe");
    }
}
