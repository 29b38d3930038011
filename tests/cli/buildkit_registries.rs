//! Builds and registries: what a client does there itself, and accounts.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::ensure;
use base64::Engine as _;
use serde_json::Value;
use tests::case::Case;
use tests::docker::{Said, said};
use tests::engine::Kind;
use tests::limit;
use tests::registry::{Access, Registry};

use crate::suite::{Entry, cases, everywhere};
use tests::buildx::Folder;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; image_tools, an_account]
}

/// `docker buildx imagetools`: indexes of what was pushed.
pub(crate) fn image_tools(case: &Case<'_>) -> Result {
    let name = format!("{}/tools{}", case.registry.address(), case.number());
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\nARG X\nRUN echo $X >/x\n")])?;
    let tools = |arguments: &[&str]| -> anyhow::Result<String> {
        let arguments = [&["buildx", "imagetools"], arguments].concat();
        let told = said(limit::output(&mut folder.docker(case, &arguments))?)?;
        ensure!(told.code == 0, "{told:?}");
        Ok(told.out)
    };
    let (one, two, both) = (format!("{name}:one"), format!("{name}:two"), format!("{name}:both"));
    for reference in [&one, &two] {
        folder.built(case, &["-t", reference, "--build-arg", &format!("X={reference}"), "--push", "."])?;
    }
    let told = tools(&["inspect", &one])?;
    ensure!(told.contains(&format!("Name:      {one}")) && told.contains("Digest:    sha256:"), "{told}");
    let digest = tools(&["inspect", "--format", "{{json .Manifest.Digest}}", &one])?;
    // dockerd pushes manifests of Docker's, and so their index is: it cannot have any.
    let annotation: &[&str] = if case.kind == Kind::Reference { &[] } else { &["--annotation", "index:a=b"] };
    tools(&[&["create", "-t", &both], annotation, &[&one, &two]].concat())?;
    let index: Value = serde_json::from_str(&tools(&["inspect", "--raw", &both])?)?;
    let manifests = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(manifests.len() == 2, "{index}");
    ensure!(index["annotations"]["a"] == if annotation.is_empty() { Value::Null } else { "b".into() }, "{index}");
    ensure!(manifests[0]["digest"] == digest.trim().trim_matches('"'), "{digest} {index}");
    let config = tools(&["inspect", "--format", "{{json .Image}}", &one])?;
    ensure!(config.contains("/bin/sh -c echo $X"), "{config}");
    // What is named by it is an image for everybody.
    for reference in [&one, &two] {
        case.ok(&["rmi", "-f", reference])?;
    }
    ensure!(case.ok(&["run", "--rm", &both, "cat", "/x"])? == one);
    case.ok(&["rmi", "-f", &both])?;
    Ok(())
}

/// With its client's account a build begins with a private image, and pushes there; with another password, or none, it does not.
pub(crate) fn an_account(case: &Case<'_>) -> Result {
    // htpasswd -nbB berth secret
    let registry =
        Registry::start(Access::Password("berth:$2y$05$5DwD8mnG2Bn4GOVTh5aV8.qSBVmeArIpt74ZYCS0dKOtfOGnYZMXq"))?;
    let host = registry.address();
    let (base, image) = (format!("{host}/base{}:1", case.number()), format!("{host}/image{}:1", case.number()));
    let folder = Folder::new(&[("Dockerfile", "FROM busybox\nRUN echo private >/p\n")])?;
    let push = || folder.build(case, &["-t", &base, "--push", "."]);
    let refused = |said: &Said, words: &[&str]| -> Result {
        let err = said.err.to_lowercase();
        ensure!(said.code == 1 && words.iter().any(|words| err.contains(words)), "{words:?}: {said:?}");
        Ok(())
    };
    let (unauthorized, none) = ("unauthorized", "no basic auth credentials");
    refused(&push()?, &[none])?;
    login(case, &folder, &host, "secret")?;
    let pushed = push()?;
    ensure!(pushed.code == 0, "{pushed:?}");
    case.ok(&["rmi", "-f", &base])?;
    folder.write("Dockerfile", &format!("FROM {base}\nRUN cat /p >/q\n"))?;
    folder.built(case, &["-t", &image, "--pull", "--push", "."])?;
    ensure!(case.ok(&["run", "--rm", &image, "cat", "/q"])? == "private");
    // BuildKit tells of a base image what the registry says.
    for (account, words) in [(Some("berth:wrong"), &[unauthorized][..]), (None, &[none, unauthorized])] {
        let auths = account.map(|account| {
            let auth = base64::engine::general_purpose::STANDARD.encode(account);
            serde_json::json!({ &host: { "auth": auth } })
        });
        let config = serde_json::json!({ "auths": auths.unwrap_or(serde_json::json!({})) });
        std::fs::write(folder.config().join("config.json"), config.to_string())?;
        refused(&folder.build(case, &["--pull", "."])?, words)?;
        refused(&folder.build(case, &["-t", &image, "--push", "."])?, words)?;
    }
    case.ok(&["rmi", "-f", &image])?;
    Ok(())
}

fn login(case: &Case<'_>, folder: &Folder, host: &str, password: &str) -> Result {
    let mut command = folder.docker(case, &["login", "-u", "berth", "--password-stdin", host]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().expect("stdin was piped");
    stdin.write_all(password.as_bytes())?;
    drop(stdin);
    let told = said(limit::ended(child)?)?;
    ensure!(told.code == 0, "{told:?}");
    Ok(())
}
