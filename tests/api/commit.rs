//! `docker commit`: images from containers, and what they were made from.

use anyhow::{Context, ensure};

use crate::suite::{Entry, cases, everywhere};

use serde_json::Value;
use tests::case::Case;
use tests::events::Listener;
use tests::http::request;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; takes_the_changes, describes_the_image, no_change_is_no_layer, tells_what_it_does, travels, parents, without_an_image, bad_tags_are_refused]
}

fn json(case: &Case<'_>, path: &str) -> anyhow::Result<Value> {
    let answer = request(case.host(), "GET", &format!("/v1.51{path}"), "")?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}

/// What a container did to its files is what the image has; nothing else is.
pub(crate) fn takes_the_changes(case: &Case<'_>) -> Result {
    let (name, image) = (case.container("changed"), case.image("changed:1"));
    let script = "echo new >/new; ln /new /again; ln -s new /link; rm /etc/group; echo x >>/etc/passwd; rm -r /home; \
        mkdir -m 750 /home; echo y >/home/y; mkfifo /fifo; mknod /null c 1 3; chown 12:34 /fifo; chmod 4755 /again; touch -d @5 /old";
    case.ok(&["run", "--name", &name, "-v", "/vol", "busybox", "sh", "-c", script])?;
    let id = case.ok(&["commit", &name, &image])?;
    let look = "cat /again /home/y; ls /home; readlink /link; stat -c '%h %a' /new; stat -c '%u %g %F' /fifo; \
        stat -c '%t %T' /null; stat -c %Y /old; tail -n 1 /etc/passwd; test -e /etc/group || echo none; stat -c %a /home";
    let seen = case.ok(&["run", "--rm", "--entrypoint", "sh", &image, "-c", look])?;
    ensure!(seen == "new\ny\ny\nnew\n2 4755\n12 34 fifo\n1 3\n5\nx\nnone\n750", "{seen}");
    // The layer itself: a name for each change, in the words of the format.
    let (top, names) = top_layer(case, &image)?;
    let wanted = [
        "again",
        "etc/",
        "etc/.wh.group",
        "etc/passwd",
        "fifo",
        "home/",
        "home/.wh..wh..opq",
        "home/y",
        "link",
        "new",
        "null",
        "old",
        "vol/",
    ];
    let mut sorted = names.clone();
    sorted.sort_unstable();
    ensure!(sorted == wanted, "{names:?}");
    let inspect = json(case, &format!("/images/{image}/json"))?;
    ensure!(inspect["Id"] == id.as_str(), "{inspect}");
    ensure!(
        inspect["RootFS"]["Layers"].as_array().and_then(|layers| layers.last()) == Some(&Value::String(top)),
        "{inspect}"
    );
    let base = json(case, "/images/busybox/json")?;
    ensure!(inspect["Parent"] == base["Id"], "{inspect}");
    Ok(())
}

/// The digest of the topmost layer of a saved image, and the names in it. dockerd saves layers as they are, others may compress
/// them.
fn top_layer(case: &Case<'_>, image: &str) -> anyhow::Result<(String, Vec<String>)> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("saved.tar");
    case.ok(&["save", "-o", &file.display().to_string(), image])?;
    let run = |arguments: &[&str]| -> anyhow::Result<String> {
        let out = std::process::Command::new("tar").args(arguments).current_dir(dir.path()).output()?;
        ensure!(out.status.success(), "tar {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    };
    run(&["-xf", "saved.tar"])?;
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(dir.path().join("manifest.json"))?)?;
    let layers = manifest[0]["Layers"].as_array().context("layers")?;
    let config = manifest[0]["Config"].as_str().context("a configuration")?;
    let config: Value = serde_json::from_str(&std::fs::read_to_string(dir.path().join(config))?)?;
    let ids = config["rootfs"]["diff_ids"].as_array().context("diff ids")?;
    ensure!(ids.len() == layers.len(), "{config}");
    let top = layers.last().and_then(Value::as_str).context("a layer")?;
    let names = run(&["-tf", top])?.lines().map(str::to_owned).collect();
    Ok((ids.last().and_then(Value::as_str).context("an id")?.to_owned(), names))
}

pub(crate) fn describes_the_image(case: &Case<'_>) -> Result {
    let (name, image) = (case.container("described"), case.image("described:1"));
    case.ok(&["create", "--name", &name, "-e", "A=b", "-l", "of=container", "-v", "/vol", "busybox", "echo", "old"])?;
    case.ok(&["cp", "/etc/hostname", &format!("{name}:/file")])?;
    case.ok(&[
        "commit",
        "-a",
        "me",
        "-m",
        "why",
        "-c",
        "ENV C=\"$A d\"",
        "-c",
        "LABEL of='image, too' more=x",
        "-c",
        "EXPOSE 80 81/udp",
        "-c",
        "ENTRYPOINT [\"echo\", \"-n\"]",
        "-c",
        "CMD one two",
        "-c",
        "WORKDIR w",
        "-c",
        "VOLUME /other",
        "-c",
        "USER 7:8",
        "-c",
        "STOPSIGNAL SIGINT",
        "-c",
        "ONBUILD RUN x",
        "-c",
        "HEALTHCHECK --interval=3s --retries=2 CMD test -e /file",
        &name,
        &image,
    ])?;
    let inspect = json(case, &format!("/images/{image}/json"))?;
    ensure!(inspect["Author"] == "me" && inspect["Comment"] == "why", "{inspect}");
    let config = &inspect["Config"];
    let expect = |key: &str, wanted: Value| -> Result {
        ensure!(config[key] == wanted, "{key}: {} is not {wanted}", config[key]);
        Ok(())
    };
    let env = config["Env"].as_array().context("variables")?;
    ensure!(env.contains(&"A=b".into()) && env.contains(&"C=b d".into()), "{config}");
    ensure!(config["Labels"]["of"] == "image, too" && config["Labels"]["more"] == "x", "{config}");
    expect("ExposedPorts", serde_json::json!({ "80/tcp": {}, "81/udp": {} }))?;
    expect("Entrypoint", serde_json::json!(["echo", "-n"]))?;
    expect("Cmd", serde_json::json!(["/bin/sh", "-c", "one two"]))?;
    expect("WorkingDir", "/w".into())?;
    expect("Volumes", serde_json::json!({ "/vol": {}, "/other": {} }))?;
    expect("User", "7:8".into())?;
    expect("StopSignal", "SIGINT".into())?;
    expect("OnBuild", serde_json::json!(["RUN x"]))?;
    expect(
        "Healthcheck",
        serde_json::json!({ "Test": ["CMD-SHELL", "test -e /file"], "Interval": 3_000_000_000_i64, "Retries": 2 }),
    )?;
    let history = json(case, &format!("/images/{image}/history"))?;
    ensure!(history[0]["CreatedBy"] == "echo old" && history[0]["Comment"] == "why", "{history}");
    ensure!(history[0]["Tags"][0] == image.as_str() && history[0]["Id"] == inspect["Id"], "{history}");
    ensure!(history[1]["Id"] == inspect["Parent"], "{history}");
    // A configuration in the request's body stands in for the container's own, which fills its gaps.
    let body = r#"{"Cmd": ["from", "body"], "Labels": {"of": "body"}}"#;
    let path = format!("/v1.51/commit?container={name}&changes=USER%20body");
    let answer = request(case.host(), "POST", &path, body)?;
    ensure!(answer.status == 201, "{answer:?}");
    let id = serde_json::from_str::<Value>(&answer.body)?["Id"].as_str().context("an id")?.to_owned();
    let config = json(case, &format!("/images/{id}/json"))?["Config"].take();
    case.ok(&["rmi", &id])?;
    ensure!(config["Cmd"] == serde_json::json!(["from", "body"]) && config["User"] == "body", "{config}");
    ensure!(config["Labels"]["of"] == "body" && config["Volumes"] == serde_json::json!({ "/vol": {} }), "{config}");
    ensure!(config["Env"].as_array().is_some_and(|env| env.contains(&"A=b".into())), "{config}");
    Ok(())
}

pub(crate) fn no_change_is_no_layer(case: &Case<'_>) -> Result {
    let (name, image) = (case.container("same"), case.image("same:1"));
    case.ok(&["run", "--name", &name, "-h", "other", "--add-host", "a:1.2.3.4", "busybox", "true"])?;
    case.ok(&["commit", &name, &image])?;
    let layers = |image: &str| case.ok(&["inspect", "--format", "{{json .RootFS.Layers}}", image]);
    ensure!(layers(&image)? == layers("busybox")?, "{}", layers(&image)?);
    let history = json(case, &format!("/images/{image}/history"))?;
    ensure!(history[0]["Size"] == 0 && history[0]["CreatedBy"] == "true", "{history}");
    ensure!(case.ok(&["run", "--rm", &image, "echo", "runs"])? == "runs");
    Ok(())
}

/// A running container stands still meanwhile, and everybody is told in dockerd's order.
pub(crate) fn tells_what_it_does(case: &Case<'_>) -> Result {
    let (name, image) = (case.container("running"), case.image("running:1"));
    let listener = Listener::start(case)?;
    case.ok(&["run", "-d", "--name", &name, "-l", "mine=yes", "busybox", "sleep", "1000"])?;
    let container = case.ok(&["inspect", "--format", "{{.Id}}", &name])?;
    let id = case.ok(&["commit", "-m", "words", &name, &image])?;
    let other = case.ok(&["commit", "--pause=false", &name])?;
    case.ok(&["pause", &name])?;
    let third = case.ok(&["commit", &name])?;
    ensure!(case.ok(&["inspect", "--format", "{{.State.Status}}", &name])? == "paused", "it was resumed");
    let events = listener.told()?;
    let begun = events.iter().position(|event| event["Actor"]["ID"] == *container && event["Action"] == "start");
    let events = &events[begun.context("its start was told")? + 1..];
    let ours = |event: &&Value| [&container, &id, &other, &third].iter().any(|id| event["Actor"]["ID"] == id.as_str());
    let seen: Vec<&Value> = events.iter().filter(ours).collect();
    let actions: Vec<&str> = seen.iter().filter_map(|event| event["Action"].as_str()).collect();
    let wanted = ["pause", "create", "tag", "commit", "unpause", "create", "commit", "pause", "create", "commit"];
    ensure!(actions == wanted, "{actions:?}");
    let attributes = |at: usize| &seen[at]["Actor"]["Attributes"];
    ensure!(attributes(1)["name"] == id.as_str() && attributes(1)["mine"] == "yes", "{}", attributes(1));
    ensure!(attributes(2)["name"] == image.as_str(), "{}", attributes(2));
    let commit = attributes(3);
    ensure!(
        commit["comment"] == "words" && commit["imageID"] == id.as_str() && commit["imageRef"] == image.as_str(),
        "{commit}"
    );
    ensure!(attributes(6)["imageRef"] == "" && attributes(6)["comment"] == "", "{}", attributes(6));
    case.ok(&["rmi", &other, &third])?;
    Ok(())
}

pub(crate) fn travels(case: &Case<'_>) -> Result {
    let (name, loaded) = (case.container("travel"), case.image("travel:1"));
    let reference = format!("{}/travel{}:1", case.registry.address(), case.number());
    case.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo inside >/new; rm /etc/group"])?;
    let id = case.ok(&["commit", &name, &reference])?;
    // What `ancestor` means is said by parents, not by layers.
    let descends = |from: &str| -> anyhow::Result<bool> {
        let child = case.container("descendant");
        case.ok(&["create", "--name", &child, &reference])?;
        let found =
            case.ok(&["ps", "-aq", "--filter", &format!("ancestor={from}"), "--filter", &format!("name={child}$")])?;
        case.ok(&["rm", &child])?;
        Ok(!found.is_empty())
    };
    ensure!(descends("busybox")? && descends(&reference)?, "a committed image has its base among its ancestors");
    let out = case.ok(&["push", &reference])?;
    ensure!(out.contains("Pushed") && out.contains("1: digest: sha256:"), "{out}");
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("saved.tar").display().to_string();
    case.ok(&["tag", &reference, &loaded])?;
    case.ok(&["save", "-o", &file, &loaded])?;
    case.ok(&["rmi", &loaded, &reference])?;
    ensure!(case.run(&["inspect", &id])?.code == 1, "the image is still here");
    case.ok(&["pull", "-q", &reference])?;
    let look = "cat /new; test -e /etc/group || echo none";
    ensure!(case.ok(&["run", "--rm", &reference, "sh", "-c", look])? == "inside\nnone");
    ensure!(case.ok(&["inspect", "--format", "{{.Id}}", &reference])? == id);
    // What came from a registry has no parent here.
    ensure!(case.ok(&["inspect", "--format", "{{.Parent}}", &reference])?.is_empty());
    ensure!(!descends("busybox")? && descends(&reference)?, "a pulled image has no ancestors here");
    case.ok(&["rmi", &reference])?;
    case.ok(&["load", "-q", "-i", &file])?;
    ensure!(case.ok(&["run", "--rm", &loaded, "sh", "-c", look])? == "inside\nnone");
    ensure!(case.ok(&["inspect", "--format", "{{.Id}}", &loaded])? == id);
    Ok(())
}

/// When an image was made: a time of RFC 3339, with a fraction of whole nanoseconds, so that two of them compare as texts.
fn created(case: &Case<'_>, image: &str) -> anyhow::Result<String> {
    let time = case.ok(&["inspect", "--format", "{{.Created}}", image])?;
    let (seconds, fraction) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    Ok(format!("{seconds}.{fraction:0<9}"))
}

/// What other images were made from is not listed, not removed before them, and goes with the last of them.
pub(crate) fn parents(case: &Case<'_>) -> Result {
    let made = |base: &str, name: &str| -> anyhow::Result<String> {
        let container = case.container(name);
        case.ok(&["run", "--name", &container, base, "sh", "-c", &format!("echo {container} >/{name}")])?;
        let id = case.ok(&["commit", &container])?;
        case.ok(&["rm", &container])?;
        Ok(id)
    };
    let first = made("busybox", "first")?;
    let second = made(&first, "second")?;
    let third = made(&second, "third")?;
    let tag = case.image("third:1");
    case.ok(&["tag", &third, &tag])?;
    let listed = |all: &str| case.ok(&["images", "-q", "--no-trunc", all]);
    let (some, every) = (listed("--all=false")?, listed("--all=true")?);
    ensure!(some.contains(&third) && !some.contains(&second) && !some.contains(&first), "{some}");
    ensure!([&first, &second, &third].iter().all(|id| every.contains(id.as_str())), "{every}");
    let dangling = case.ok(&["images", "-q", "--no-trunc", "--filter", "dangling=true"])?;
    ensure!(!dangling.contains(&second) && !dangling.contains(&third), "{dangling}");
    // Made within a second, they are told apart by less.
    let filtered =
        |filter: &str| case.ok(&["images", "-a", "-q", "--no-trunc", "--filter", &format!("{filter}={second}")]);
    let (before, since) = (filtered("before")?, filtered("since")?);
    // The clock of a machine may be set back meanwhile: what they say of themselves decides.
    let created = [created(case, &first)?, created(case, &second)?, created(case, &third)?];
    for (id, at) in [&first, &second, &third].into_iter().zip(&created) {
        ensure!(before.contains(id) == (*at < created[1]), "{id} of {created:?}: {before}");
        ensure!(since.contains(id) == (*at > created[1]), "{id} of {created:?}: {since}");
    }
    let history = case.ok(&["history", "-q", "--no-trunc", &tag])?;
    ensure!(history.lines().take(3).eq([&third, &second, &first].map(String::as_str)), "{history}");
    let short = &second["sha256:".len()..][..12];
    for arguments in [&["rmi", short][..], &["rmi", "-f", short]] {
        let said = case.run(arguments)?;
        let words = format!("conflict: unable to delete {short} (cannot be forced) - image has dependent child images");
        ensure!(said.code == 1 && said.err.contains(&words), "{said:?}");
    }
    // By name only the name goes.
    let name = case.image("second:1");
    case.ok(&["tag", &second, &name])?;
    ensure!(case.ok(&["rmi", &name])? == format!("Untagged: {name}"));
    // A second child keeps what both were made from.
    let sibling = made(&first, "sibling")?;
    let gone = case.ok(&["rmi", &tag])?;
    let deleted = |id: &str| gone.contains(&format!("Deleted: {id}"));
    ensure!(deleted(&third) && deleted(&second) && !deleted(&first), "{gone}");
    let gone = case.ok(&["rmi", "--no-prune", &sibling])?;
    ensure!(gone.contains(&format!("Deleted: {sibling}")) && !gone.contains(&first), "{gone}");
    ensure!(listed("--all=false")?.contains(&first), "the parent went although it should not");
    case.ok(&["rmi", &first])?;
    Ok(())
}

/// A container without an image has an image of its own changes.
pub(crate) fn without_an_image(case: &Case<'_>) -> Result {
    let (name, image) = (case.container("bare"), case.image("bare:1"));
    let body = r#"{"Image": "", "Cmd": ["true"]}"#;
    let answer = request(case.host(), "POST", &format!("/v1.51/containers/create?name={name}"), body)?;
    ensure!(answer.status == 201, "{answer:?}");
    case.ok(&["commit", &name, &image])?;
    let inspect = json(case, &format!("/images/{image}/json"))?;
    ensure!(inspect["Parent"] == "" && inspect["RootFS"]["Layers"].is_null(), "{inspect}");
    ensure!(inspect["Config"]["Cmd"] == serde_json::json!(["true"]) && inspect["Os"] == "linux", "{inspect}");
    ensure!(case.ok(&["history", "--format", "{{.CreatedBy}}", &image])? == "true");
    Ok(())
}

/// A tag is not read as a part of the name, nor as a digest.
pub(crate) fn bad_tags_are_refused(case: &Case<'_>) -> Result {
    let name = case.container("tagged");
    case.ok(&["create", "--name", &name, "busybox"])?;
    for tag in ["5000/x".to_owned(), format!("1@sha256:{}", "0".repeat(64))] {
        for path in [format!("commit?container={name}"), "images/create?fromSrc=-".to_owned()] {
            let answer = request(case.host(), "POST", &format!("/v1.51/{path}&repo=localhost&tag={tag}"), "")?;
            ensure!(answer.status == 400 && answer.body.contains("invalid tag format"), "{path} {tag}: {answer:?}");
        }
    }
    Ok(())
}
