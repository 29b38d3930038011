//! login and logout, beside docker's: one configuration file for both.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use tests::berth::Berth;
use tests::case::Case;
use tests::docker::{Said, said};
use tests::registry::{Access, Registry};
use tests::terminal::Terminal;
use tests::token::Tokens;

type Result = anyhow::Result<()>;

pub(crate) const CHINESE: (&str, &str) = ("LC_ALL", "zh_CN.UTF-8");

/// Of the user `berth` with the password `secret`: htpasswd -nbB berth secret
pub(crate) const ACCOUNT: &str = "berth:$2y$05$5DwD8mnG2Bn4GOVTh5aV8.qSBVmeArIpt74ZYCS0dKOtfOGnYZMXq";

/// `berth` with `input` on its standard input.
fn fed(berth: &Berth, input: &str, arguments: &[&str]) -> anyhow::Result<Said> {
    let mut child = berth.piped(arguments)?;
    child.stdin.take().context("stdin was piped")?.write_all(input.as_bytes())?;
    said(child.wait_with_output()?)
}

fn in_chinese(berth: &Berth, arguments: &[&str]) -> anyhow::Result<Said> {
    said(berth.command(arguments).env(CHINESE.0, CHINESE.1).output()?)
}

pub(crate) fn config(berth: &Berth) -> PathBuf {
    berth.docker_config().join("config.json")
}

pub(crate) fn with_a_password(berth: &Berth, case: &Case<'_>) -> Result {
    account(berth, case, &Registry::start(Access::Password(ACCOUNT))?)
}

pub(crate) fn with_tokens(berth: &Berth, case: &Case<'_>) -> Result {
    let tokens = Tokens::start("berth", "secret")?;
    account(berth, case, &Registry::start(Access::Token(&tokens))?)?;
    ensure!(tokens.given() >= 3, "{} tokens were asked for", tokens.given());
    Ok(())
}

/// The whole life of an account.
fn account(berth: &Berth, case: &Case<'_>, registry: &Registry) -> Result {
    let host = registry.address();
    let reference = format!("{host}/login{}:1", case.number());
    let docker = |arguments: &[&str]| -> anyhow::Result<Said> {
        said(case.command(arguments).env("DOCKER_CONFIG", berth.docker_config()).output()?)
    };
    case.ok(&["tag", "busybox", &reference])?;
    ensure!(berth.run(&["push", "-q", &reference])?.code == 1, "pushed without an account");

    let refused = fed(berth, "wrong", &["login", "-u", "berth", "--password-stdin", &host])?;
    ensure!(refused.code == 1 && refused.err.to_lowercase().contains("unauthorized"), "{refused:?}");
    ensure!(!fs::read_to_string(config(berth))?.contains(&host), "kept what was refused");
    let empty = fed(berth, "", &["login", "-u", "berth", "--password-stdin", &host])?;
    ensure!(
        empty.code == 1 && empty.err.contains("from a non TTY device"),
        "nothing may wait for a terminal: {empty:?}"
    );
    let ours = fed(berth, "secret\n", &["login", "-u", "berth", "--password-stdin", &format!("https://{host}/v2/")])?;
    ensure!(ours.code == 0 && ours.out == "Login Succeeded\n", "{ours:?}");
    ensure!(ours.err.contains("stored unencrypted"), "{ours:?}");
    ensure!(config(berth).metadata()?.permissions().mode() & 0o777 == 0o600);

    berth.ok(&["push", "-q", &reference])?;
    berth.ok(&["rmi", &reference])?;
    ensure!(docker(&["pull", "-q", &reference])?.code == 0, "docker does not read what berth wrote");
    berth.ok(&["rmi", &reference])?;
    berth.ok(&["pull", "-q", &reference])?;

    let again = berth.run(&["login", &host])?;
    ensure!(again.out.starts_with("Authenticating with existing credentials... [Username: berth]"), "{again:?}");
    ensure!(again.code == 0 && again.out.ends_with("Login Succeeded\n"), "{again:?}");
    let chinese = in_chinese(berth, &["login", &host])?;
    ensure!(chinese.out.contains("已保存的凭据") && chinese.out.ends_with("登录成功\n"), "{chinese:?}");

    let ours = berth.run(&["logout", &host])?;
    let theirs = docker(&["logout", &host])?;
    ensure!(ours.code == 0 && ours.out == theirs.out, "{ours:?}\n{theirs:?}");
    ensure!(!fs::read_to_string(config(berth))?.contains(&host));
    ensure!(berth.run(&["push", "-q", &reference])?.code == 1, "pushed after the logout");
    // And the other way round.
    let login = docker(&["login", "-u", "berth", "-p", "secret", &host])?;
    ensure!(login.code == 0, "{login:?}");
    berth.ok(&["push", "-q", &reference])?;
    berth.ok(&["rmi", "-f", &reference])?;
    Ok(())
}

pub(crate) fn typed(berth: &Berth, _: &Case<'_>) -> Result {
    let registry = Registry::start(Access::Password(ACCOUNT))?;
    let terminal = Terminal::open(&berth.command(&["login", &registry.address()]))?;
    terminal.wait_for("the first question", |screen| screen.contains("Username:"))?;
    terminal.type_text("berth")?;
    terminal.press("Enter")?;
    terminal.wait_for("the second question", |screen| screen.contains("Password:"))?;
    terminal.type_text("wrong")?;
    terminal.press("C-u")?;
    terminal.type_text("secrexy")?;
    terminal.press("BSpace")?;
    terminal.press("C-h")?;
    terminal.type_text("t")?;
    terminal.press("C-j")?;
    ensure!(terminal.wait_exit()? == 0, "{}", terminal.screen());
    let screen = terminal.screen();
    ensure!(screen.contains("Login Succeeded") && !screen.contains("secre"), "{screen}");
    Ok(())
}

pub(crate) fn refusals(berth: &Berth, case: &Case<'_>) -> Result {
    let host = case.registry.address();
    for (arguments, words, chinese) in [
        (&["login", &*host][..], "non TTY", "没有终端"),
        (&["login", "--password-stdin", &host], "requires --username", "--username"),
    ] {
        let (ours, theirs) = (berth.run(arguments)?, case.run(arguments)?);
        ensure!(ours.code == 1 && theirs.code == 1, "{ours:?}\n{theirs:?}");
        ensure!(ours.err.contains(words) && theirs.err.contains(words), "{ours:?}\n{theirs:?}");
        let said = in_chinese(berth, arguments)?;
        ensure!(said.code == 1 && said.err.contains(chinese), "{said:?}");
    }
    ensure!(berth.run(&["login", "-p", "x", "--password-stdin", "-u", "y", &host])?.code == 2);
    fs::write(config(berth), "{")?;
    let said = berth.run(&["pull", "no.example/x"])?;
    ensure!(said.code == 1 && said.err.contains("config.json"), "{said:?}");
    // Needs no engine.
    let alone = Berth::new(None)?;
    ensure!(alone.ok(&["logout"])? == "Removing login credentials for https://index.docker.io/v1/");
    ensure!(in_chinese(&alone, &["logout"])?.out.contains("正在删除"));
    Ok(())
}
