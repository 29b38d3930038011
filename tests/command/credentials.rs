//! Credential helpers: those that the configuration names, and those that are only installed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::berth::Berth;
use tests::case::Case;
use tests::docker::{Said, said};
use tests::limit;
use tests::registry::{Access, Registry};

use crate::login::{ACCOUNT, CHINESE, config};

type Result = anyhow::Result<()>;

/// A folder that is all of PATH, so that no helper of this computer is asked, and what its helpers keep.
struct Helpers {
    folder: PathBuf,
    kept: PathBuf,
}

impl Helpers {
    fn new(berth: &Berth) -> anyhow::Result<Self> {
        let helpers = Self { folder: berth.home().join("helpers"), kept: berth.home().join("kept") };
        fs::create_dir(&helpers.folder)?;
        fs::create_dir(&helpers.kept)?;
        fs::remove_file(config(berth))?;
        Ok(helpers)
    }

    /// A script of these lines.
    fn program(&self, name: &str, lines: &str) -> Result {
        let program = self.folder.join(name);
        tests::program::write(&program, &format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{lines}\n"))
    }

    /// A helper with one file for each key, which has `%` for `/`.
    fn keeper(&self, name: &str) -> Result {
        let text = r#"cd KEPT || exit 9
case $1 in
store)
    entry=$(cat)
    echo "$entry" >"$(echo "$entry" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' | tr / %)" ;;
get) cat "$(tr / %)" 2>/dev/null || { echo credentials not found in native keychain; exit 1; } ;;
erase) rm "$(tr / %)" 2>/dev/null || { echo nothing of that name; exit 1; } ;;
list)
    printf '{'
    for key in *; do
        [ ! -f "$key" ] || printf '%s"%s":"somebody"' "$comma" "$(echo "$key" | tr % /)"
        comma=,
    done
    printf '}' ;;
esac"#;
        self.program(&format!("docker-credential-{name}"), &text.replace("KEPT", &self.kept.display().to_string()))
    }

    /// What is kept for `key`.
    fn entry(&self, key: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&fs::read_to_string(self.kept.join(key.replace('/', "%")))?)?)
    }

    fn put(&self, key: &str) -> Result {
        let entry = json!({ "ServerURL": key, "Username": "berth", "Secret": "secret" });
        Ok(fs::write(self.kept.join(key.replace('/', "%")), entry.to_string())?)
    }

    fn keys(&self) -> anyhow::Result<Vec<String>> {
        let names = fs::read_dir(&self.kept)?.map(|entry| Ok(entry?.file_name().to_string_lossy().replace('%', "/")));
        let mut names: Vec<String> = names.collect::<anyhow::Result<_>>()?;
        names.sort();
        Ok(names)
    }

    fn run(&self, mut command: Command, input: &str) -> anyhow::Result<Said> {
        fed(command.env("PATH", &self.folder), input)
    }
}

/// Runs `command` with `input` on its standard input.
pub(crate) fn fed(command: &mut Command, input: &str) -> anyhow::Result<Said> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // One that asks nothing may be gone already.
    let _ = child.stdin.take().context("stdin was piped")?.write_all(input.as_bytes());
    said(limit::ended(child)?)
}

fn written(berth: &Berth) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(config(berth))?)?)
}

pub(crate) fn configured(berth: &Berth, case: &Case<'_>) -> Result {
    let registry = Registry::start(Access::Password(ACCOUNT))?;
    let host = registry.address();
    let helpers = Helpers::new(berth)?;
    helpers.keeper("one")?;
    helpers.program("docker-credential-broken", "echo the vault is locked; exit 3")?;
    fs::write(config(berth), r#"{"credsStore":"one"}"#)?;
    let reference = format!("{host}/helped{}:1", case.number());
    case.ok(&["tag", "busybox", &reference])?;
    let login = helpers.run(berth.command(&["login", "-u", "berth", "--password-stdin", &host]), "secret")?;
    ensure!(login.code == 0 && login.out == "Login Succeeded\n" && login.err.is_empty(), "{login:?}");
    let entry = helpers.entry(&host)?;
    ensure!(entry == json!({ "ServerURL": host, "Username": "berth", "Secret": "secret" }), "{entry}");
    let text = written(berth)?;
    ensure!(text == json!({ "credsStore": "one", "auths": { &*host: {} } }), "{text}");
    let pushed = helpers.run(berth.command(&["push", "-q", &reference]), "")?;
    ensure!(pushed.code == 0, "{pushed:?}");
    let logout = helpers.run(berth.command(&["logout", &host]), "")?;
    ensure!(logout.code == 0 && logout.err.is_empty() && helpers.keys()?.is_empty(), "{logout:?}");

    // One that fails is named, with its words, and nothing is asked of the registry behind its back.
    fs::write(config(berth), format!(r#"{{"credHelpers":{{"{host}":"broken"}}}}"#))?;
    for arguments in [&["pull", &reference][..], &["push", &reference], &["login", &host]] {
        for (chinese, word) in [(false, "failed"), (true, "失败")] {
            let mut command = berth.command(arguments);
            if chinese {
                command.env(CHINESE.0, CHINESE.1);
            }
            let failed = helpers.run(command, "")?;
            let said =
                ["docker-credential-broken", "the vault is locked", word].iter().all(|it| failed.err.contains(it));
            ensure!(failed.code == 1 && said, "{arguments:?}: {failed:?}");
        }
    }
    case.ok(&["rmi", "-f", &reference])?;
    Ok(())
}

/// No secret is written where docker would give it to a helper.
pub(crate) fn installed(berth: &Berth, case: &Case<'_>) -> Result {
    let registry = Registry::start(Access::Password(ACCOUNT))?;
    let host = registry.address();
    let helpers = Helpers::new(berth)?;
    helpers.program("pass", "exit 9")?;
    helpers.keeper("pass")?;
    let login = ["login", "-u", "berth", "--password-stdin", &host];
    let ours = helpers.run(berth.command(&login), "secret")?;
    ensure!(ours.code == 0 && ours.out == "Login Succeeded\n" && ours.err.is_empty(), "{ours:?}");
    ensure!(helpers.entry(&host)?["Secret"] == "secret");
    let text = written(berth)?;
    ensure!(text == json!({ "credsStore": "pass", "auths": { &*host: {} } }), "{text}");

    // As docker does it.
    let docker = |arguments: &[&str], input: &str| -> anyhow::Result<Said> {
        let path = format!("{}:{}", helpers.folder.display(), std::env::var("PATH")?);
        fed(case.command(arguments).env("DOCKER_CONFIG", berth.docker_config()).env("PATH", path), input)
    };
    fs::remove_file(config(berth))?;
    let theirs = docker(&login, "secret")?;
    ensure!(theirs.code == 0 && written(berth)? == text, "{theirs:?}\n{}", written(berth)?);

    // What it keeps is found before anything is configured, and not behind the back of what is.
    fs::remove_file(config(berth))?;
    let again = helpers.run(berth.command(&["login", &host]), "")?;
    ensure!(again.code == 0 && again.out.starts_with("Authenticating with existing credentials"), "{again:?}");
    ensure!(written(berth)? == text, "{}", written(berth)?);
    fs::write(config(berth), r#"{"auths":{"other.example":{"auth":"dTpw"}}}"#)?;
    let plain = helpers.run(berth.command(&login), "secret")?;
    ensure!(plain.code == 0 && plain.err.contains("stored unencrypted"), "{plain:?}");
    ensure!(written(berth)?.get("credsStore").is_none(), "{}", written(berth)?);
    Ok(())
}

/// A secret service without a session, say: nothing but a login needs it.
pub(crate) fn installed_and_broken(berth: &Berth, case: &Case<'_>) -> Result {
    let helpers = Helpers::new(berth)?;
    helpers.program("docker-credential-secretservice", "echo there is no session bus; exit 1")?;
    let reference = format!("{}/broken{}:1", case.registry.address(), case.number());
    case.ok(&["tag", "busybox", &reference])?;
    for verb in ["push", "pull"] {
        let done = helpers.run(berth.command(&[verb, "-q", &reference]), "")?;
        ensure!(done.code == 0, "{verb}: {done:?}");
    }
    case.ok(&["rmi", "-f", &reference])?;

    let registry = Registry::start(Access::Password(ACCOUNT))?;
    let host = registry.address();
    for (chinese, word) in [(false, "installed"), (true, "安装")] {
        let mut command = berth.command(&["login", "-u", "berth", "--password-stdin", &host]);
        if chinese {
            command.env(CHINESE.0, CHINESE.1);
        }
        let failed = helpers.run(command, "secret")?;
        let said = ["docker-credential-secretservice", "no session bus", word].iter().all(|it| failed.err.contains(it));
        ensure!(failed.code == 1 && said && !config(berth).exists(), "{failed:?}");
    }
    Ok(())
}

/// Every key of the registry goes, from every helper that may have one.
pub(crate) fn logout(berth: &Berth, _: &Case<'_>) -> Result {
    let helpers = Helpers::new(berth)?;
    helpers.keeper("one")?;
    let logout = |server: &str| helpers.run(berth.command(&["logout", server]), "");
    let keys = ["https://r.example/v1/", "http://r.example", "r.example/team", "r.example.net", "index.docker.io"];
    for configured in [
        json!({ "credsStore": "one", "auths": { "https://r.example/v1/": {}, "r.example.net": {} } }),
        json!({ "credHelpers": { "https://r.example/v1/": "one" }, "auths": { "r.example.net": {} } }),
    ] {
        keys.iter().try_for_each(|key| helpers.put(key))?;
        fs::write(config(berth), configured.to_string())?;
        let done = logout("r.example")?;
        ensure!(done.code == 0 && done.err.is_empty(), "{configured}: {done:?}");
        ensure!(helpers.keys()? == ["index.docker.io", "r.example.net"], "{configured}: {:?}", helpers.keys()?);
        ensure!(written(berth)?["auths"] == json!({ "r.example.net": {} }), "{configured}: {}", written(berth)?);
    }
    fs::write(config(berth), r#"{"credsStore":"one"}"#)?;
    let done = logout("docker.io")?;
    ensure!(done.code == 0 && done.err.is_empty(), "{done:?}");
    ensure!(helpers.keys()? == ["r.example.net"], "{:?}", helpers.keys()?);

    // Docker takes one key that could be erased for all of them.
    helpers.program(
        "docker-credential-stubborn",
        "case $1 in\nlist) echo '{\"https://r.example/v1/\":\"somebody\"}' ;;\n\
         erase) [ \"$(cat)\" = r.example ] || { echo it sticks; exit 1; } ;;\nesac",
    )?;
    fs::write(config(berth), r#"{"credsStore":"stubborn","auths":{"r.example":{},"https://r.example/v1/":{}}}"#)?;
    let done = logout("r.example")?;
    let said = ["could not erase", "https://r.example/v1/: ", "it sticks"].iter().all(|it| done.err.contains(it));
    ensure!(done.code == 0 && said && !done.err.contains("http://r.example"), "{done:?}");
    ensure!(written(berth)?["auths"] == json!({ "https://r.example/v1/": {} }), "{}", written(berth)?);
    // One that can do nothing is told, whatever the others do.
    helpers.program("docker-credential-broken", "echo the vault is locked; exit 3")?;
    fs::write(config(berth), r#"{"credsStore":"one","credHelpers":{"r.example":"broken"}}"#)?;
    let done = logout("r.example")?;
    let said = ["could not erase", "r.example: ", "the vault is locked"].iter().all(|it| done.err.contains(it));
    ensure!(done.code == 0 && said && done.err.lines().count() == 2, "{done:?}");
    Ok(())
}
