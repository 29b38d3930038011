//! Images and registries.

use anyhow::{Context, ensure};
use tests::case::Case;

use crate::suite::{Entry, cases, everywhere};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![everywhere; of_another_platform, loaded_for_a_platform, before_1_45, patterns_of_names]
}

pub(crate) fn of_another_platform(case: &Case<'_>) -> Result {
    let reference = case.image("platform:1");
    case.ok(&["tag", "busybox", &reference])?;
    let architecture = case.ok(&["image", "inspect", "--format", "{{.Architecture}}", &reference])?;
    let mine = format!("%7B%22os%22:%22linux%22,%22architecture%22:%22{architecture}%22%7D");
    let other = "%7B%22os%22:%22linux%22,%22architecture%22:%22s390x%22%7D";
    let mismatch = format!(
        "image with reference {reference} was found but its platform (linux/{architecture}) does not match the specified \
         platform (linux/s390x)"
    );
    for (method, path, status, words) in [
        ("GET", "json", 404, mismatch.as_str()),
        ("GET", "history", 404, &mismatch),
        ("POST", "push", 404, &mismatch),
        ("GET", "get", 500, "no suitable export target found for platform linux/s390x"),
    ] {
        let ask = |platform: &str| {
            let path = format!("/v1.51/images/{reference}/{path}?platform={platform}");
            tests::http::request(case.host(), method, &path, "")
        };
        let answer = ask(other)?;
        ensure!(answer.status == status && answer.body.contains(words), "{path}: {} {}", answer.status, answer.body);
        if method == "GET" {
            ensure!(ask(&mine)?.status == 200, "{path}");
        }
        let answer = ask("%7B%22os%22:%22linux%22%7D")?;
        ensure!(answer.status == 400 && answer.body.contains("both OS and Architecture must be provided"), "{path}");
    }
    // Without a tag it is `latest` that is looked at, though all would be pushed.
    let repository = reference.split_once(':').map_or(reference.as_str(), |(name, _)| name);
    let path = format!("/v1.51/images/{repository}/push?platform={other}");
    let answer = tests::http::request(case.host(), "POST", &path, "")?;
    let words = format!("No such image: {repository}:latest");
    ensure!(answer.status == 404 && answer.body.contains(&words), "{} {}", answer.status, answer.body);
    let said = case.run(&["save", "--platform", "linux/s390x", &reference])?;
    ensure!(said.code == 1 && said.err.contains("no suitable export target found"), "{}", said.err);
    let said = case.run(&["create", "--platform", "linux/s390x", "--pull", "never", &reference])?;
    ensure!(said.code == 1 && said.err.contains(&mismatch), "{said:?}");
    Ok(())
}

pub(crate) fn loaded_for_a_platform(case: &Case<'_>) -> Result {
    let reference = case.image("loaded:1");
    case.ok(&["tag", "busybox", &reference])?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("all.tar");
    let path = file.to_str().context("a path")?;
    case.ok(&["save", "-o", path, &reference])?;
    // By what each layer unpacks to.
    let mut archive = tar::Archive::new(std::fs::File::open(&file)?);
    let manifest = archive.entries()?.find(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.path().is_ok_and(|path| path.as_os_str() == "manifest.json"))
    });
    let manifest: serde_json::Value = serde_json::from_reader(manifest.context("no manifest.json")??)?;
    let sources = manifest[0]["LayerSources"].as_object().context(manifest.to_string())?;
    let layers =
        case.ok(&["image", "inspect", "--format", "{{range .RootFS.Layers}}{{println .}}{{end}}", &reference])?;
    for layer in layers.split_whitespace() {
        let digest = sources[layer]["digest"].as_str().context(manifest.to_string())?;
        let blob = format!("blobs/{}", digest.replace(':', "/"));
        ensure!(manifest[0]["Layers"].as_array().is_some_and(|all| all.iter().any(|one| *one == *blob)), "{manifest}");
    }
    case.ok(&["rmi", &reference])?;
    let said = case.ok(&["load", "--platform", "linux/s390x", "-i", path])?;
    ensure!(!said.contains("Loaded") && case.ok(&["images", "-q", &reference])?.is_empty(), "{said}");
    let architecture = case.ok(&["image", "inspect", "--format", "{{.Architecture}}", "busybox"])?;
    let said = case.ok(&["load", "--platform", &format!("linux/{architecture}"), "-i", path])?;
    ensure!(said.contains("Loaded image"), "{said}");
    Ok(())
}

/// What an image says of the container that it was made of.
pub(crate) fn before_1_45(case: &Case<'_>) -> Result {
    let inspect = |version: &str| -> anyhow::Result<serde_json::Value> {
        let path = format!("/{version}/images/busybox/json");
        Ok(serde_json::from_str(&tests::http::request(case.host(), "GET", &path, "")?.body)?)
    };
    let old = inspect("v1.44")?;
    ensure!(old["ContainerConfig"]["Tty"] == false && old["ContainerConfig"]["Cmd"].is_null(), "{old}");
    ensure!(inspect("v1.45")?.get("ContainerConfig").is_none());
    Ok(())
}

/// As Go's `path.Match` reads them.
pub(crate) fn patterns_of_names(case: &Case<'_>) -> Result {
    let reference = case.image("pattern:1");
    case.ok(&["tag", "busybox", &reference])?;
    let repository = reference.split_once(':').map_or(reference.as_str(), |(name, _)| name);
    for (end, found) in [
        ("", true),
        (":[0-9]", true),
        (":[^0-9]", false),
        (":[!0-9]", true),
        (":\\1", true),
        (":\\?", false),
        (":?", true),
    ] {
        let filter = format!("reference={repository}{end}");
        let listed = case.ok(&["images", "--filter", &filter, "--format", "{{.Repository}}:{{.Tag}}"])?;
        ensure!(listed.contains(&reference) == found, "{filter}: {listed}");
    }
    let bad = "/v1.51/images/json?filters=%7B%22reference%22:%7B%22%5B%22:true%7D%7D";
    let answer = tests::http::request(case.host(), "GET", bad, "")?;
    ensure!(
        answer.status == 500 && answer.body.contains("syntax error in pattern"),
        "{} {}",
        answer.status,
        answer.body
    );
    Ok(())
}
