//! Images and registries.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, ensure};
use tests::case::Case;
use tests::docker::Docker;
use tests::gate::Gate;
use tests::registry::{Access, Registry};
use tests::token::Tokens;
use tests::wait::until;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; pull_anonymous, pull_by_digest_and_list, pull_with_password, pull_with_token, push_and_pull_back, push_mounts_what_another_repository_has, push_sends_layers_side_by_side, all_tags, configuration_is_honoured, save_and_load, tag_and_remove, unknown_in_registry, registry_down]
}

/// Every tag of a repository at once, there and back.
pub(crate) fn all_tags(case: &Case<'_>) -> Result {
    let repository = format!("{}/many{}", case.registry.address(), case.number());
    let both = ["one", "two"].map(|tag| format!("{repository}:{tag}"));
    both.iter().try_for_each(|reference| case.ok(&["tag", "busybox", reference]).map(drop))?;
    case.ok(&["push", "-q", "--all-tags", &repository])?;
    case.ok(&["rmi", &both[0], &both[1]])?;
    case.ok(&["pull", "-q", "--all-tags", &repository])?;
    let listed = case.ok(&["images", "--format", "{{.Tag}}", &repository])?;
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    ensure!(listed == ["one", "two"], "{listed:?}");
    case.ok(&["rmi", &both[0], &both[1]])?;
    Ok(())
}

/// Pushes busybox under a name of the case's own and removes the local tag; the reference to pull.
fn pushed(case: &Case<'_>, host: &str, name: &str) -> anyhow::Result<String> {
    let reference = format!("{host}/{name}{}:1", case.number());
    case.ok(&["tag", "busybox", &reference])?;
    case.ok(&["push", "-q", &reference])?;
    case.ok(&["rmi", &reference])?;
    Ok(reference)
}

pub(crate) fn pull_anonymous(case: &Case<'_>) -> Result {
    let reference = pushed(case, &case.registry.localhost(), "anonymous")?;
    let out = case.ok(&["pull", &reference])?;
    ensure!(out.contains("Pulling from anonymous") && out.contains("Digest: sha256:"), "{out}");
    ensure!(out.contains(&format!("Status: Downloaded newer image for {reference}")), "{out}");
    ensure!(case.ok(&["run", "--rm", &reference, "echo", "pulled"])? == "pulled");
    let again = case.ok(&["pull", &reference])?;
    ensure!(again.contains(&format!("Status: Image is up to date for {reference}")), "{again}");
    case.ok(&["rmi", &reference])?;
    Ok(())
}

pub(crate) fn pull_by_digest_and_list(case: &Case<'_>) -> Result {
    let reference = pushed(case, &case.registry.address(), "digest")?;
    case.ok(&["pull", "-q", &reference])?;
    let name = reference.trim_end_matches(":1");
    let digests = case.ok(&["inspect", "--format", "{{range .RepoDigests}}{{.}} {{end}}", &reference])?;
    let wanted = digests.split_whitespace().find(|digest| digest.starts_with(&format!("{name}@sha256:")));
    let wanted = wanted.with_context(|| format!("no digest of {name} in {digests}"))?.to_owned();
    case.ok(&["rmi", &reference])?;
    case.ok(&["pull", "-q", &wanted])?;
    let listed = case.ok(&["images", "--digests", "--format", "{{.Repository}}@{{.Digest}}"])?;
    ensure!(listed.lines().any(|line| line == wanted), "{listed}");
    case.ok(&["rmi", &wanted])?;
    Ok(())
}

pub(crate) fn pull_with_password(case: &Case<'_>) -> Result {
    // htpasswd -nbB berth secret
    let registry =
        Registry::start(Access::Password("berth:$2y$05$5DwD8mnG2Bn4GOVTh5aV8.qSBVmeArIpt74ZYCS0dKOtfOGnYZMXq"))?;
    private_registry(case, &registry, &["no basic auth credentials"])
}

pub(crate) fn pull_with_token(case: &Case<'_>) -> Result {
    // The service is on the host's loopback, too: the engine must ask for its tokens there.
    let tokens = Tokens::start("berth", "secret")?;
    let registry = Registry::start(Access::Token(&tokens))?;
    private_registry(case, &registry, &["denied", "unauthorized"])?;
    ensure!(tokens.given() >= 3, "{} tokens were asked for login, push and pull", tokens.given());
    Ok(())
}

/// The whole life of an account whose name is berth and whose password is secret. Who has none is told one of `words`.
fn private_registry(case: &Case<'_>, registry: &Registry, words: &[&str]) -> Result {
    // A client of its own: others must not find this login in theirs.
    let docker = Docker::new(case.host())?;
    let host = registry.address();
    let reference = format!("{host}/private{}:1", case.number());
    let refused = |docker: &Docker| -> Result {
        let said = docker.run(&["pull", &reference])?;
        ensure!(said.code == 1 && words.iter().any(|word| said.err.contains(word)), "{said:?}");
        Ok(())
    };
    refused(&docker)?;
    let said = docker.fed(b"wrong", &["login", "-u", "berth", "--password-stdin", &host])?;
    ensure!(said.code == 1 && said.err.to_lowercase().contains("unauthorized"), "{said:?}");
    let said = docker.fed(b"secret", &["login", "-u", "berth", "--password-stdin", &host])?;
    ensure!(said.code == 0 && said.out.contains("Login Succeeded"), "{said:?}");
    docker.ok(&["tag", "busybox", &reference])?;
    docker.ok(&["push", "-q", &reference])?;
    docker.ok(&["rmi", &reference])?;
    let out = docker.ok(&["pull", &reference])?;
    ensure!(out.contains(&format!("Status: Downloaded newer image for {reference}")), "{out}");
    ensure!(docker.ok(&["run", "--rm", &reference, "echo", "private"])? == "private");
    docker.ok(&["rmi", &reference])?;
    docker.ok(&["logout", &host])?;
    refused(&docker)
}

pub(crate) fn push_and_pull_back(case: &Case<'_>) -> Result {
    let reference = format!("{}/back{}:2", case.registry.address(), case.number());
    // An image of its own: nothing of it is left here when its only name is gone.
    let layer = tests::archive::noise("file", u64::from(case.number()), 10_000)?;
    let said = case.fed(&tests::archive::docker(&reference, &[layer])?, &["load"])?;
    ensure!(said.code == 0, "{said:?}");
    let id = case.ok(&["inspect", "--format", "{{.Id}}", &reference])?;
    let out = case.ok(&["push", &reference])?;
    ensure!(out.contains("Pushed") && out.contains("2: digest: sha256:"), "{out}");
    let again = case.ok(&["push", &reference])?;
    ensure!(again.contains("Layer already exists"), "{again}");
    case.ok(&["rmi", &reference])?;
    ensure!(case.run(&["inspect", &id])?.code == 1, "the image is still here");
    let out = case.ok(&["pull", &reference])?;
    ensure!(out.contains("Pull complete"), "{out}");
    ensure!(case.ok(&["inspect", "--format", "{{.Id}}", &reference])? == id);
    case.ok(&["rmi", &reference])?;
    Ok(())
}

/// No layer waits for another one's answers.
pub(crate) fn push_sends_layers_side_by_side(case: &Case<'_>) -> Result {
    let gate = Gate::start_closing_at(case.registry.socket(), "/blobs/")?;
    let reference = format!("{}/beside{}:1", gate.address(), case.number());
    let layers: std::io::Result<Vec<_>> = [1, 2, 3]
        .map(|layer| tests::archive::noise("file", (u64::from(case.number()) << 8) + layer, 10_000))
        .into_iter()
        .collect();
    let said = case.fed(&tests::archive::docker(&reference, &layers?)?, &["load"])?;
    ensure!(said.code == 0, "{said:?}");
    let mut push = case.piped(&["push", "-q", &reference])?;
    gate.wait_until_it_holds_of(3)?;
    gate.open();
    ensure!(push.wait()?.success());
    case.ok(&["rmi", &reference])?;
    Ok(())
}

/// Layers that the registry has are not sent again: only the configuration is, which no registry was asked to mount.
pub(crate) fn push_mounts_what_another_repository_has(case: &Case<'_>) -> Result {
    // One of its own, whose log has no other case's requests.
    let registry = Registry::start(Access::Anonymous)?;
    let [first, second] = ["first", "second"].map(|name| format!("{}/{name}{}:1", registry.address(), case.number()));
    let seed = u64::from(case.number()) << 8;
    let layers = [seed + 1, seed + 2].map(|seed| tests::archive::noise("file", seed, 10_000));
    let layers: Vec<Vec<u8>> = layers.into_iter().collect::<std::io::Result<_>>()?;
    let said = case.fed(&tests::archive::docker(&first, &layers)?, &["load"])?;
    ensure!(said.code == 0, "{said:?}");
    let pushed = |reference: &str| -> anyhow::Result<(String, Vec<String>)> {
        let before = registry.asked()?.len();
        let out = case.ok(&["push", reference])?;
        let asked = until("the manifest in the registry's log", Duration::from_secs(120), || {
            let asked = registry.asked().ok()?.split_off(before);
            asked.iter().any(|line| line.starts_with("PUT ") && line.contains("/manifests/")).then_some(asked)
        })?;
        Ok((out, asked))
    };
    let count = |asked: &[String], method: &str, words: &[&str]| {
        let of = |line: &&String| line.starts_with(method) && words.iter().all(|word| line.contains(word));
        asked.iter().filter(of).count()
    };
    let (out, asked) = pushed(&first)?;
    ensure!(out.matches(": Pushed").count() == 2, "{out}");
    ensure!(count(&asked, "PATCH ", &[]) == 3 && count(&asked, "POST ", &["mount="]) == 0, "{asked:#?}");
    case.ok(&["tag", &first, &second])?;
    let (out, asked) = pushed(&second)?;
    let from = format!("first{}", case.number());
    ensure!(out.matches(&format!(": Mounted from {from}")).count() == 2, "{out}");
    let mounts = count(&asked, "POST ", &["mount=sha256", &format!("from={from}"), " 201"]);
    ensure!(mounts == 2 && count(&asked, "PATCH ", &[]) == 1, "{asked:#?}");
    // And they are there.
    case.ok(&["rmi", &first, &second])?;
    let out = case.ok(&["pull", &second])?;
    ensure!(out.matches("Pull complete").count() == 2, "{out}");
    case.ok(&["rmi", &second])?;
    Ok(())
}

/// What an image says about its containers is done.
pub(crate) fn configuration_is_honoured(case: &Case<'_>) -> Result {
    let reference = case.image("configured:1");
    let script = "trap 'exit 42' USR1; echo ready; while :; do sleep 0.05; done";
    let config = serde_json::json!({
        "Entrypoint": ["sh", "-c"], "Cmd": [script], "User": "1234:2345", "WorkingDir": "/made", "Env": ["PATH=/bin", "A=b"],
        "Volumes": { "/anonymous": {} }, "ExposedPorts": { "80/tcp": {}, "53/udp": {} }, "StopSignal": "SIGUSR1",
        "Labels": { "of": "the image" },
        "Healthcheck": { "Test": ["CMD-SHELL", "test $A = b"], "Interval": 1_000_000_000, "Retries": 1 },
    });
    tests::image::derive(case.docker, "busybox", &reference, &config)?;
    let out = case.ok(&["run", "--rm", &reference, "id -u; id -g; pwd; echo $A"])?;
    ensure!(out == "1234\n2345\n/made\nb", "{out}");
    let name = case.container("configured");
    case.ok(&["run", "-d", "-P", "--name", &name, &reference])?;
    let inspect = |format: &str| case.ok(&["inspect", "--format", format, &name]);
    ensure!(inspect("{{(index .Mounts 0).Destination}} {{(index .Mounts 0).Type}}")? == "/anonymous volume");
    ensure!(inspect("{{index .Config.Labels \"of\"}}")? == "the image");
    let ports = case.ok(&["port", &name])?;
    ensure!(ports.contains("80/tcp -> ") && ports.contains("53/udp -> "), "{ports}");
    until("health", Duration::from_secs(120), || {
        inspect("{{.State.Health.Status}}").ok().filter(|status| status == "healthy")
    })?;
    case.says(&name, "ready")?;
    case.ok(&["stop", "-t", "120", &name])?;
    ensure!(inspect("{{.State.ExitCode}}")? == "42", "{}", inspect("{{.State.ExitCode}}")?);
    case.ok(&["rm", "-v", &name])?;
    Ok(())
}

pub(crate) fn save_and_load(case: &Case<'_>) -> Result {
    let reference = case.image("saved:1");
    case.ok(&["tag", "hello-world", &reference])?;
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("saved.tar").display().to_string();
    case.ok(&["save", "-o", &archive, &reference])?;
    case.ok(&["rmi", &reference])?;
    let out = case.ok(&["load", "-i", &archive])?;
    ensure!(out.contains(&format!("Loaded image: {reference}")), "{out}");
    case.ok(&["run", "--rm", &reference])?;
    let said = case.fed(b"this is no archive", &["load"])?;
    ensure!(said.code == 1, "{said:?}");
    Ok(())
}

pub(crate) fn tag_and_remove(case: &Case<'_>) -> Result {
    let reference = case.image("tagged:a");
    // An image of its own: the last reference of an image in use cannot go.
    let said = case.fed(&tests::archive::docker(&reference, &[])?, &["load"])?;
    ensure!(said.code == 0, "{said:?}");
    ensure!(case.ok(&["images", "-q", &reference])?.len() == 12);
    let name = case.container("holds");
    case.ok(&["create", "--name", &name, &reference, "command"])?;
    let said = case.run(&["rmi", &reference])?;
    ensure!(said.code == 1 && said.err.contains("conflict: unable to remove repository reference"), "{said:?}");
    case.ok(&["rm", &name])?;
    ensure!(case.ok(&["rmi", &reference])?.contains(&format!("Untagged: {reference}")));
    let history = case.ok(&["history", "--no-trunc", "busybox"])?;
    ensure!(history.lines().count() >= 2, "{history}");
    Ok(())
}

pub(crate) fn unknown_in_registry(case: &Case<'_>) -> Result {
    let reference = format!("{}/nobody/nothing:1", case.registry.address());
    let said = case.run(&["pull", &reference])?;
    ensure!(said.code == 1 && said.err.contains("not found"), "{said:?}");
    let said = case.run(&["pull", "Not A Reference"])?;
    ensure!(said.code == 1 && said.err.contains("invalid reference format"), "{said:?}");
    Ok(())
}

pub(crate) fn registry_down(case: &Case<'_>) -> Result {
    // Bound, so that nobody else is given the port, and nobody listens there.
    let held = tokio::net::TcpSocket::new_v4()?;
    held.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = held.local_addr()?;
    let said = case.run(&["pull", &format!("{address}/busybox")])?;
    ensure!(said.code == 1 && said.err.contains("connection refused"), "{said:?}");
    Ok(())
}
