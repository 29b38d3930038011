//! What `docker build` says of an image's form: annotations, compression, and the times of files.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::case::Case;
use tests::docker::said;
use tests::limit;

use crate::suite::{Entry, cases, everywhere, not_of_dockerd};
use tests::buildx::Folder;

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    let mut all = cases![everywhere; annotations];
    // dockerd's own store keeps none of it, and makes no archives.
    all.extend(cases![not_of_dockerd; annotated, compressed, by_digest, rewritten_times]);
    all
}

/// Each case has a file of its own to copy: times of files do not count for the cache.
const DOCKERFILE: &str = "FROM busybox\nCOPY f /f\n";

/// What a client's words for them come to, where nothing keeps them.
pub(crate) fn annotations(case: &Case<'_>) -> Result {
    let image = case.image("bkannotations:1");
    let folder = Folder::new(&[("Dockerfile", DOCKERFILE), ("f", "annotations\n")])?;
    let some = ["--annotation", "a=b", "--annotation", "manifest:c=d", "--annotation", "manifest-descriptor:e=f"];
    folder.built(case, &[&["-t", &image], &some[..], &["."]].concat())?;
    folder.built(case, &[&some[..], &["-o", "out", "."]].concat())?;
    ensure!(folder.path().join("out/f").is_file());
    for (said, words) in [
        ("index:a=b", "index annotations not supported for single platform export"),
        ("index-descriptor:a=b", "index annotations not supported for single platform export"),
        ("foo:a=b", "unknown annotation type \"foo\""),
        ("a", "invalid annotation \"a\", expected key=value"),
    ] {
        let refused = folder.build(case, &["-o", "type=image", "--annotation", said, "."])?;
        ensure!(refused.code == 1 && refused.err.contains(words), "{said}: {refused:?}");
    }
    Ok(())
}

/// A file of an archive.
fn file(archive: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let unpacked = limit::output(Command::new("tar").arg("-xOf").arg(archive).arg(name))?;
    ensure!(unpacked.status.success(), "{name}: {unpacked:?}");
    Ok(unpacked.stdout)
}

/// What an archive's index says of its only manifest, and the manifest.
fn manifest(archive: &Path) -> anyhow::Result<(Value, Value)> {
    let index: Value = serde_json::from_slice(&file(archive, "index.json")?)?;
    let said = index["manifests"][0].clone();
    let digest = said["digest"].as_str().with_context(|| format!("no manifest: {index}"))?;
    let manifest = file(archive, &digest.replace("sha256:", "blobs/sha256/"))?;
    Ok((said, serde_json::from_slice(&manifest)?))
}

/// What a registry has under a name.
fn in_registry(case: &Case<'_>, folder: &Folder, name: &str) -> anyhow::Result<Value> {
    let told = said(limit::output(&mut folder.docker(case, &["buildx", "imagetools", "inspect", "--raw", name]))?)?;
    ensure!(told.code == 0, "{told:?}");
    Ok(serde_json::from_str(&told.out)?)
}

fn metadata(folder: &Folder, key: &str) -> anyhow::Result<String> {
    let told: Value = serde_json::from_slice(&std::fs::read(folder.path().join("told.json"))?)?;
    Ok(told[key].as_str().with_context(|| format!("no {key}: {told}"))?.to_owned())
}

/// They are in archives and in registries, in a manifest with a digest of its own.
pub(crate) fn annotated(case: &Case<'_>) -> Result {
    let (image, name) =
        (case.image("bkannotated:1"), format!("{}/annotated{}", case.registry.address(), case.number()));
    let folder = Folder::new(&[("Dockerfile", DOCKERFILE), ("f", "annotated\n")])?;
    let some = [
        "--annotation",
        "a=b",
        "--annotation",
        "manifest[linux/s390x]:a=other",
        "--annotation",
        "manifest-descriptor:e=f",
        "--metadata-file",
        "told.json",
    ];
    let (plain, pushed) = (format!("{name}:plain"), format!("{name}:1"));
    folder.built(case, &["-t", &plain, "--push", "--metadata-file", "told.json", "."])?;
    let first = metadata(&folder, "containerimage.digest")?;
    ensure!(in_registry(case, &folder, &plain)?["annotations"].is_null());
    folder.built(case, &[&["-t", &pushed, "--push"], &some[..], &["."]].concat())?;
    let digest = metadata(&folder, "containerimage.digest")?;
    ensure!(digest != first && in_registry(case, &folder, &format!("{name}@{digest}"))?["annotations"]["a"] == "b");
    // It is one image here, known by both.
    let digests = case.ok(&["inspect", "--format", "{{.RepoDigests}}", &pushed])?;
    ensure!(digests.contains(&first) && digests.contains(&digest), "{digests}");
    // Pulled in the other form, it is pushed as it was made all the same.
    case.ok(&["pull", "-q", &pushed])?;
    let again = format!("{name}:again");
    folder.built(case, &["-t", &again, "--push", "--metadata-file", "told.json", "."])?;
    ensure!(metadata(&folder, "containerimage.digest")? == first);
    case.ok(&["rmi", "-f", &again])?;
    for form in ["oci", "docker"] {
        let output = format!("type={form},dest=out.tar,name={image}");
        folder.built(case, &[&some[..], &["-o", &output, "."]].concat())?;
        let (said, manifest) = manifest(&folder.path().join("out.tar"))?;
        ensure!(manifest["annotations"]["a"] == "b" && said["annotations"]["e"] == "f", "{said} {manifest}");
        ensure!(said["digest"] == metadata(&folder, "containerimage.digest")?.as_str(), "{said}");
    }
    case.ok(&["load", "-q", "-i", &folder.path().join("out.tar").display().to_string()])?;
    ensure!(case.ok(&["run", "--rm", &image, "ls", "/f"])? == "/f");
    for reference in [&plain, &pushed] {
        case.ok(&["rmi", "-f", reference])?;
        case.ok(&["pull", "-q", reference])?;
        ensure!(case.ok(&["run", "--rm", reference, "ls", "/f"])? == "/f");
        case.ok(&["rmi", "-f", reference])?;
    }
    Ok(())
}

pub(crate) fn compressed(case: &Case<'_>) -> Result {
    let (image, name) = (case.image("bkzstd:1"), format!("{}/zstd{}:1", case.registry.address(), case.number()));
    let folder = Folder::new(&[("Dockerfile", DOCKERFILE), ("f", "compressed\n")])?;
    let kinds = |manifest: &Value| -> Vec<String> {
        let layers = manifest["layers"].as_array().into_iter().flatten();
        layers.map(|layer| layer["mediaType"].as_str().unwrap_or_default().to_owned()).collect()
    };
    for (options, is_own, is_base) in [
        ("compression=zstd", true, false),
        ("compression=zstd,force-compression=true,compression-level=9", true, true),
        ("compression=gzip", false, false),
    ] {
        folder.built(case, &["-o", &format!("type=oci,dest=out.tar,name={image},{options}"), "."])?;
        let (_, manifest) = manifest(&folder.path().join("out.tar"))?;
        let kinds = kinds(&manifest);
        let is_zstd = |at: usize| kinds.get(at).is_some_and(|kind| kind.ends_with("tar+zstd"));
        ensure!((is_zstd(kinds.len() - 1), is_zstd(0)) == (is_own, is_base), "{options}: {kinds:?}");
    }
    folder.built(case, &["-o", &format!("type=image,name={name},push=true,compression=zstd"), "."])?;
    let pushed = kinds(&in_registry(case, &folder, &name)?);
    ensure!(pushed.last().is_some_and(|kind| kind.ends_with("tar+zstd")), "{pushed:?}");
    case.ok(&["rmi", "-f", &name])?;
    ensure!(case.ok(&["run", "--rm", &name, "cat", "/f"])? == "compressed");
    case.ok(&["rmi", "-f", &name])?;
    for (options, words) in [
        ("compression=lzma", "unsupported compression type lzma"),
        ("compression=estargz", "compression=estargz: this builder does not have it yet"),
        ("compression-level=x", "non-integer value x specified for compression-level"),
        ("annotation-foo.a=b", "unrecognized annotation type foo"),
        ("annotation-index.a=b", "index annotations not supported for single platform export"),
    ] {
        let refused = folder.build(case, &["-o", &format!("type=image,{options}"), "."])?;
        ensure!(refused.code == 1 && refused.err.contains(words), "{options}: {refused:?}");
    }
    Ok(())
}

/// Only clients of a builder elsewhere may ask for it: others refuse it themselves.
pub(crate) fn by_digest(case: &Case<'_>) -> Result {
    let name = format!("{}/nameless{}", case.registry.address(), case.number());
    let folder = Folder::new(&[("Dockerfile", DOCKERFILE), ("f", "by_digest\n")])?;
    let docker = |arguments: &[&str]| said(limit::output(&mut folder.docker(case, arguments))?);
    let told = docker(&["buildx", "create", "--name", "far", "--driver", "remote", case.host()])?;
    ensure!(told.code == 0, "{told:?}");
    let output = |name: &str| format!("type=image,name={name},push=true,push-by-digest=true");
    let build = |builder: &str, name: &str| {
        let arguments =
            ["buildx", "build", "--builder", builder, "--metadata-file", "told.json", "-o", &output(name), "."];
        docker(&arguments)
    };
    let refused = build("default", &name)?;
    ensure!(refused.code == 1 && refused.err.contains("push-by-digest is currently not implemented"), "{refused:?}");
    let refused = build("far", &format!("{name}:1"))?;
    ensure!(
        refused.code == 1 && refused.err.contains(&format!("can't push tagged ref {name}:1 by digest")),
        "{refused:?}"
    );
    let told = build("far", &name)?;
    ensure!(told.code == 0, "{told:?}");
    let pushed = format!("{name}@{}", metadata(&folder, "containerimage.digest")?);
    ensure!(in_registry(case, &folder, &pushed)?["layers"].is_array());
    let tagged = docker(&["buildx", "imagetools", "inspect", &name])?;
    ensure!(tagged.code == 1 && tagged.err.contains("not found"), "{tagged:?}");
    let tags = case.ok(&["images", "--format", "{{.Tag}}", &name])?;
    ensure!(tags == "<none>", "it has a tag here: {tags}");
    let told = docker(&["buildx", "rm", "far"])?;
    ensure!(told.code == 0, "{told:?}");
    Ok(())
}

/// With a chosen time and `rewrite-timestamp` the same Dockerfile gives the same image, whenever its commands run.
pub(crate) fn rewritten_times(case: &Case<'_>) -> Result {
    let images = [case.image("bkclamped:1"), case.image("bkclamped:2")];
    let time = 981_173_106;
    let dockerfile = "FROM busybox\nRUN mkdir /d && echo made >/d/f && touch -d @5 /d/old\nCOPY f /d/copied\n";
    let folder = Folder::new(&[("Dockerfile", dockerfile), ("f", "rewritten_times\n")])?;
    let argument = format!("SOURCE_DATE_EPOCH={time}");
    let build = |image: &str, more: &[&str]| {
        let output = format!("type=image,name={image},rewrite-timestamp=true");
        folder.built(case, &[&["--no-cache", "-o", &output], more, &["."]].concat())
    };
    for image in &images {
        build(image, &["--build-arg", &argument])?;
        // The second one is made in another second than the first.
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map(|now| now.as_secs());
        let begun = now()?;
        tests::wait::until("the next second", std::time::Duration::from_secs(10), || {
            now().ok().filter(|now| *now > begun)
        })?;
    }
    let id = |image: &str| case.ok(&["inspect", "--format", "{{.Id}}", image]);
    ensure!(id(&images[0])? == id(&images[1])?, "{} {}", id(&images[0])?, id(&images[1])?);
    let seen = case.ok(&["run", "--rm", &images[0], "stat", "-c", "%Y", "/d/f", "/d/copied", "/d", "/d/old"])?;
    ensure!(seen == format!("{time}\n{time}\n{time}\n5"), "{seen}");
    let busybox = |image: &str| case.ok(&["run", "--rm", image, "stat", "-c", "%Y", "/bin/busybox"]);
    ensure!(busybox(&images[0])? == busybox("busybox")?, "the base image keeps its times");
    // What a list of its own steps says would not be true any more.
    let output = ["-o", "type=image,rewrite-timestamp=true", "--cache-to", "type=inline"];
    let refused = folder.build(case, &[&output[..], &["--build-arg", &argument, "."]].concat())?;
    let words = "rewrite-timestamp beside an inline cache: this builder does not have it yet";
    ensure!(refused.code == 1 && refused.err.contains(words), "{refused:?}");
    let told = build(&images[1], &[])?;
    ensure!(told.contains("rewrite-timestamp: no time is chosen"), "{told}");
    ensure!(id(&images[0])? != id(&images[1])?);
    Ok(())
}
