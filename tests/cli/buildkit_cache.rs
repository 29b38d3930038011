//! `docker build --cache-to` and `--cache-from`: steps that are taken from elsewhere, by an engine that has none of them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::Value;
use tests::buildx::Folder;
use tests::case::Case;

use crate::suite::{Entry, cases, not_of_dockerd};

type Result = anyhow::Result<()>;

pub(crate) fn cases() -> Vec<Entry> {
    cases![not_of_dockerd; in_the_image, of_the_result, of_all_stages, of_the_same_files, needed_after_all, in_a_directory, damaged, not_to_be_had, not_to_be_written, pushed_by_the_engine]
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

const CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";

/// Says something else each time that it is carried out.
const CHANCE: &str = "cat /proc/sys/kernel/random/uuid";

/// Whether a build says so of a step, which it has to tell of; it may tell before what is fetched for it.
fn is_cached(told: &str, step: &str) -> anyhow::Result<bool> {
    let line = told.lines().find(|line| line.contains(step));
    let number =
        line.and_then(|line| line.split(' ').next()).with_context(|| format!("nothing is told of {step}: {told}"))?;
    Ok(told.lines().any(|line| line == format!("{number} CACHED")))
}

/// A folder whose images can be forgotten, by a label that no other case has.
struct Build<'a> {
    case: &'a Case<'a>,
    folder: Folder,
    image: String,
    label: String,
}

impl<'a> Build<'a> {
    /// `@` stands for the label in each stage.
    fn new(case: &'a Case<'a>, name: &str, dockerfile: &str) -> anyhow::Result<Build<'a>> {
        let label = format!("case={}-{}", std::process::id(), case.number());
        let dockerfile = dockerfile.replace('@', &format!("LABEL {label}"));
        let folder = Folder::new(&[("Dockerfile", &dockerfile), ("f", "content\n")])?;
        Ok(Build { case, folder, image: case.image(&format!("{name}:1")), label })
    }

    fn built(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.folder.built(self.case, &[&["-t", &self.image], arguments, &["."]].concat())
    }

    fn file(&self, path: &str) -> anyhow::Result<String> {
        self.case.ok(&["run", "--rm", &self.image, "cat", path])
    }

    fn id(&self) -> anyhow::Result<String> {
        self.case.ok(&["inspect", "--format", "{{.Id}}", &self.image])
    }

    /// Nothing of it is here any more, as in an engine that never built it.
    fn forget(&self) -> Result {
        let filter = format!("label={}", self.label);
        let list = || self.case.ok(&["images", "-a", "-q", "--no-trunc", "--filter", &filter]);
        let tagged = self.case.ok(&["images", "--filter", &filter, "--format", "{{.Repository}}:{{.Tag}}"])?;
        for name in tagged.lines().filter(|name| !name.contains("<none>")) {
            self.case.ok(&["rmi", "-f", name])?;
        }
        self.case.ok(&["image", "prune", "-f", "--filter", &filter])?;
        ensure!(list()?.is_empty(), "{}", list()?);
        Ok(())
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/{name}{}:1", self.case.registry.address(), self.case.number())
    }
}

/// The list of steps is in the image, which is pushed as any other.
pub(crate) fn in_the_image(case: &Case<'_>) -> Result {
    let dockerfile = format!("FROM busybox\n@\nRUN {CHANCE} >/n\nCOPY f /f\nRUN cat /n /f >/both\nCMD [\"x\"]\n");
    let build = Build::new(case, "cacheinline", &dockerfile)?;
    let pushed = build.reference("cacheinline");
    let told = build.built(&["-t", &pushed, "--build-arg", "BUILDKIT_INLINE_CACHE=1"])?;
    ensure!(told.contains("preparing layers for inline cache") && !told.contains("warning"), "{told}");
    case.ok(&["push", "-q", &pushed])?;
    let first = build.file("/both")?;
    build.forget()?;
    let told = build.built(&["--cache-from", &pushed])?;
    ensure!(told.contains(&format!("importing cache manifest from {pushed}")), "{told}");
    for step in ["[2/4] RUN", "[3/4] COPY", "[4/4] RUN"] {
        ensure!(is_cached(&told, step)?, "{step}: {told}");
    }
    ensure!(build.file("/both")? == first);
    // From here on they are the engine's own; nobody is asked.
    let told = build.built(&["--cache-from", &pushed])?;
    ensure!(is_cached(&told, "[4/4] RUN")? && !told.contains("importing"), "{told}");
    // What is otherwise is made, on top of what is not.
    build.forget()?;
    build.folder.write("f", "other\n")?;
    let told = build.built(&["--cache-from", &pushed, "--cache-to", "type=inline,mode=max"])?;
    ensure!(is_cached(&told, "[2/4] RUN")? && !is_cached(&told, "[3/4] COPY")?, "{told}");
    ensure!(build.file("/both")? == first.replace("content", "other"), "{}", build.file("/both")?);
    ensure!(told.contains("mode=max is for caches"), "{told}");
    Ok(())
}

const STAGES: &str =
    "FROM busybox AS made\n@\nCOPY f /f\nRUN UUID >/m\nFROM busybox\n@\nRUN UUID >/n\nCOPY --from=made /m /m\n";

/// What led to the result is not in the cache, and not needed while it is the same.
pub(crate) fn of_the_result(case: &Case<'_>) -> Result {
    let dockerfile = STAGES.replace("UUID", CHANCE).replace("FROM busybox AS", "FROM busybox AS base\nFROM base AS");
    let build = Build::new(case, "cachemin", &dockerfile)?;
    let cache = build.reference("cachemin");
    let told = build.built(&["--cache-to", &format!("type=registry,ref={cache},mode=min,image-manifest=false")])?;
    ensure!(told.contains("exporting cache to registry") && told.contains("writing cache manifest sha256:"), "{told}");
    let (made, own, id) = (build.file("/m")?, build.file("/n")?, build.id()?);
    build.forget()?;
    let from = ["--cache-from", &format!("type=registry,ref={cache}")];
    let told = build.built(&from)?;
    for step in ["[made 1/2] COPY", "[made 2/2] RUN", "[stage-2 2/3] RUN", "[stage-2 3/3] COPY"] {
        ensure!(is_cached(&told, step)?, "{step}: {told}");
    }
    ensure!(told.matches("pull complete").count() == 2 && build.id()? == id, "{told}");
    // What comes of it can be handed on.
    build.forget()?;
    let other = build.reference("cachemin-again");
    build.built(&[&from[..], &["--cache-to", &format!("type=registry,ref={other}")]].concat())?;
    build.forget()?;
    let told = build.built(&["--cache-from", &other])?;
    ensure!(is_cached(&told, "[made 2/2] RUN")? && build.id()? == id, "{told}");
    // It is built when it is not the same, with what is copied from it.
    build.forget()?;
    build.folder.write("f", "other\n")?;
    let told = build.built(&from)?;
    ensure!(is_cached(&told, "[stage-2 2/3] RUN")? && !is_cached(&told, "[made 2/2] RUN")?, "{told}");
    ensure!(build.file("/n")? == own && build.file("/m")? != made);
    Ok(())
}

pub(crate) fn of_all_stages(case: &Case<'_>) -> Result {
    let build = Build::new(case, "cachemax", &STAGES.replace("UUID", CHANCE))?;
    let cache = build.reference("cachemax");
    let told = build.built(&["--cache-to", &format!("type=registry,ref={cache},mode=max")])?;
    ensure!(told.contains("writing cache image manifest sha256:"), "{told}");
    let (made, own, id) = (build.file("/m")?, build.file("/n")?, build.id()?);
    build.forget()?;
    let told = build.built(&["--cache-from", &cache])?;
    for step in ["[made 2/3] COPY", "[made 3/3] RUN", "[stage-1 2/3] RUN", "[stage-1 3/3] COPY"] {
        ensure!(is_cached(&told, step)?, "{step}: {told}");
    }
    ensure!(build.file("/m")? == made && build.file("/n")? == own);
    ensure!(build.id()? == id, "it is the same image as there");
    // Only what is needed of it was fetched: nothing of what is copied from.
    ensure!(told.matches("pull complete").count() == 2, "{told}");
    build.forget()?;
    let told = build.built(&["--cache-from", &cache, "--target", "made"])?;
    ensure!(is_cached(&told, "[made 3/3] RUN")? && told.matches("pull complete").count() == 2, "{told}");
    // All of it is there to be written, when that is wanted.
    build.forget()?;
    let other = build.reference("cachemax-again");
    build.built(&["--cache-from", &cache, "--cache-to", &format!("type=registry,ref={other},mode=max")])?;
    build.forget()?;
    let told = build.built(&["--cache-from", &other, "--target", "made"])?;
    ensure!(is_cached(&told, "[made 3/3] RUN")?, "{told}");
    // What is otherwise beneath, is so above.
    build.forget()?;
    let dockerfile = std::fs::read_to_string(build.folder.path().join("Dockerfile"))?;
    build.folder.write("Dockerfile", &dockerfile.replace("COPY f /f", "COPY f /f\nRUN true"))?;
    let told = build.built(&["--cache-from", &cache])?;
    ensure!(!is_cached(&told, "[made 4/4] RUN")? && !is_cached(&told, "[stage-1 3/3] COPY")?, "{told}");
    // By a client that wants nothing of caches, it is made anew.
    build.forget()?;
    build.built(&[])?;
    ensure!(build.file("/m")? != made);
    // A stage that is to be made anew is so, and what is copied from it, too.
    build.forget()?;
    let told = build.built(&["--cache-from", &cache, "--no-cache-filter", "made"])?;
    ensure!(!is_cached(&told, "[made 4/4] RUN")? && build.file("/m")? != made, "{told}");
    Ok(())
}

/// What a stage came to is told by its content, too.
pub(crate) fn of_the_same_files(case: &Case<'_>) -> Result {
    let dockerfile = format!(
        "FROM busybox AS made\n@\nRUN echo same >/m\nFROM busybox\n@\nCOPY --from=made /m /m\nRUN {CHANCE} >/n\n"
    );
    let build = Build::new(case, "cachesame", &dockerfile)?;
    build.built(&["--cache-to", "type=local,dest=cache"])?;
    let own = build.file("/n")?;
    build.forget()?;
    let written = std::fs::read_to_string(build.folder.path().join("Dockerfile"))?;
    build.folder.write("Dockerfile", &written.replace("echo same", "echo other; echo same"))?;
    let told = build.built(&["--cache-from", "type=local,src=cache"])?;
    ensure!(!is_cached(&told, "[made 2/2] RUN")? && is_cached(&told, "[stage-1 2/3] COPY")?, "{told}");
    ensure!(is_cached(&told, "[stage-1 3/3] RUN")? && build.file("/n")? == own, "{told}");
    Ok(())
}

/// A stage that was left out is built when what is copied from it cannot be had.
pub(crate) fn needed_after_all(case: &Case<'_>) -> Result {
    let build = Build::new(case, "cacheneeded", &STAGES.replace("UUID", CHANCE))?;
    build.built(&["--cache-to", "type=local,dest=cache,mode=max"])?;
    let (made, own) = (build.file("/m")?, build.file("/n")?);
    let directory = build.folder.path().join("cache");
    let manifest = blob(&directory, &json(&directory.join("index.json"))?["manifests"][0])?;
    // The last one is the result's COPY.
    let layers = json(&manifest)?["layers"].as_array().context("no layers")?.clone();
    std::fs::remove_file(blob(&directory, layers.last().context("no layer")?)?)?;
    build.forget()?;
    let told = build.built(&["--cache-from", "type=local,src=cache"])?;
    ensure!(told.contains("1 warning found") && is_cached(&told, "[stage-1 2/3] RUN")?, "{told}");
    ensure!(is_cached(&told, "[made 3/3] RUN")? && !is_cached(&told, "[stage-1 3/3] COPY")?, "{told}");
    ensure!(build.file("/m")? == made && build.file("/n")? == own);
    Ok(())
}

/// The file that a digest names in a directory of blobs.
fn blob(directory: &Path, descriptor: &Value) -> anyhow::Result<PathBuf> {
    let digest = descriptor["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
    Ok(directory.join("blobs/sha256").join(digest.with_context(|| format!("no digest: {descriptor}"))?))
}

fn json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(serde_json::from_str(&text)?)
}

pub(crate) fn in_a_directory(case: &Case<'_>) -> Result {
    let secret = format!("hidden-{}", case.number());
    let dockerfile = format!(
        "FROM busybox\n@\nARG WORD\nRUN --mount=type=secret,id=s,env=S {CHANCE} >/n; test -n \"$S\" && test $WORD = told\nRUN true\n"
    );
    let build = Build::new(case, "cachelocal", &dockerfile)?;
    build.folder.write("secret", &secret)?;
    let given = ["--secret", "id=s,src=secret", "--build-arg", "WORD=told"];
    let told = build.built(&[&given[..], &["--cache-to", "type=local,dest=cache,mode=max,tag=mine"]].concat())?;
    ensure!(told.contains("exporting cache to client directory") && told.contains("writing config sha256:"), "{told}");
    let (first, directory) = (build.file("/n")?, build.folder.path().join("cache"));
    let index = json(&directory.join("index.json"))?;
    let manifest = json(&blob(&directory, &index["manifests"][0])?)?;
    ensure!(manifest["config"]["mediaType"] == CONFIG, "{manifest}");
    // A step that changed no file has no layer; and what a step is called and was given is in no list.
    ensure!(manifest["layers"].as_array().map(Vec::len) == Some(1), "{manifest}");
    let list = std::fs::read_to_string(blob(&directory, &manifest["config"])?)?;
    ensure!(!list.contains(&secret) && !list.contains("told") && !list.contains("uuid"), "{list}");
    build.forget()?;
    let told = build.built(&[&given[..], &["--cache-from", "type=local,src=cache,tag=mine"]].concat())?;
    ensure!(told.contains("importing cache manifest from local:") && is_cached(&told, "[stage-0 3/3] RUN")?, "{told}");
    ensure!(build.file("/n")? == first);
    build.forget()?;
    let digest = index["manifests"][0]["digest"].as_str().context("no digest")?;
    let told =
        build.built(&[&given[..], &["--cache-from", &format!("type=local,src=cache,digest={digest}")]].concat())?;
    ensure!(is_cached(&told, "[stage-0 2/3] RUN")?, "{told}");
    // There already: nothing is written again.
    let before = written(&directory)?;
    build.built(&[&given[..], &["--cache-to", "type=local,dest=cache,mode=max"]].concat())?;
    let after = written(&directory)?;
    ensure!(!before.is_empty() && before == after, "{before:?} {after:?}");
    Ok(())
}

/// The blobs in a directory, each by its file and when that was written.
fn written(directory: &Path) -> anyhow::Result<BTreeMap<PathBuf, (u64, std::time::SystemTime)>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(directory.join("blobs/sha256"))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        all.insert(entry.path(), (metadata.ino(), metadata.modified()?));
    }
    Ok(all)
}

/// A layer that is not what it should be, or not there, is made anew.
pub(crate) fn damaged(case: &Case<'_>) -> Result {
    let dockerfile = format!("FROM busybox\n@\nRUN {CHANCE} >/n\nRUN {CHANCE} >/m\n");
    let build = Build::new(case, "cachedamaged", &dockerfile)?;
    build.built(&["--cache-to", "type=local,dest=cache"])?;
    let (first, second) = (build.file("/n")?, build.file("/m")?);
    let directory = build.folder.path().join("cache");
    let index = json(&directory.join("index.json"))?;
    let manifest = blob(&directory, &index["manifests"][0])?;
    let document = json(&manifest)?;
    let layer = blob(&directory, &document["layers"][0])?;
    let length = usize::try_from(layer.metadata()?.len())?;
    std::fs::set_permissions(&layer, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    std::fs::write(&layer, vec![b'x'; length])?;
    let told = |words: &str| -> Result {
        build.forget()?;
        let told = build.built(&["--cache-from", "type=local,src=cache"])?;
        ensure!(told.contains("1 warning found") && told.contains("is made anew") && told.contains(words), "{told}");
        // What was made on the damaged one does not belong on another making of it.
        ensure!(!is_cached(&told, "[2/3] RUN")? && !is_cached(&told, "[3/3] RUN")?, "{told}");
        ensure!(build.file("/n")? != first && build.file("/m")? != second);
        Ok(())
    };
    told("layer verification failed for digest sha256:")?;
    std::fs::write(&layer, b"short")?;
    told("5 bytes came")?;
    std::fs::remove_file(&layer)?;
    told("not found")?;
    // Of a list that is not what it should be no step is taken.
    let list = blob(&directory, &document["config"])?;
    std::fs::set_permissions(&list, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    std::fs::write(&list, b"{}")?;
    build.forget()?;
    let told = build.built(&["--cache-from", "type=local,src=cache"])?;
    ensure!(
        told.contains("ERROR: verification failed for digest sha256:") && !is_cached(&told, "[3/3] RUN")?,
        "{told}"
    );
    Ok(())
}

/// A cache that cannot be had ends no build.
pub(crate) fn not_to_be_had(case: &Case<'_>) -> Result {
    let build = Build::new(case, "cachenone", &format!("FROM busybox\n@\nRUN {CHANCE} >/n\n"))?;
    let plain = build.reference("cacheplain");
    case.ok(&["tag", "busybox", &plain])?;
    case.ok(&["push", "-q", &plain])?;
    case.ok(&["rmi", &plain])?;
    let foreign = build.reference("cacheforeign");
    let repository = format!("cacheforeign{}", case.number());
    let layer = case.registry.put_blob(&repository, b"layer")?;
    let list = serde_json::json!({
        "layers": [{ "blob": layer, "parent": -1 }],
        "records": [{ "digest": layer, "layers": [{ "layer": 0, "createdAt": "2024-05-01T10:20:30Z" }] }],
    });
    let list = list.to_string();
    let config = case.registry.put_blob(&repository, list.as_bytes())?;
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config, "size": list.len() },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 5 }],
    });
    case.registry.put_manifest(&repository, "1", MANIFEST, &manifest)?;
    for (from, words) in [
        (foreign, "this cache was made by another builder"),
        ("localhost:1/x".to_owned(), "ERROR: failed to configure registry cache importer"),
        (build.reference("cachenothing"), "not found"),
        ("type=azblob,account_url=x,name=y".to_owned(), "ERROR: unknown cache importer: azblob"),
        // An image has steps in it or has none.
        (plain, "importing cache manifest"),
    ] {
        build.forget()?;
        let told = build.built(&["--cache-from", &from])?;
        ensure!(told.contains("importing cache manifest from") && told.contains(words), "{from}: {told}");
        ensure!(!is_cached(&told, "[2/2] RUN")?, "{told}");
    }
    Ok(())
}

/// A cache that cannot be written fails the build, unless that does not matter.
pub(crate) fn not_to_be_written(case: &Case<'_>) -> Result {
    let build = Build::new(case, "cachelost", &format!("FROM busybox\n@\nRUN {CHANCE} >/n\n"))?;
    for (to, words) in [
        ("type=registry,ref=localhost:1/x", "> exporting cache to registry:"),
        ("type=azblob,account_url=x,name=y", "--cache-to type=azblob: this builder does not have it yet"),
        ("type=registry,ref=localhost:1/x,compression=zstd", "the option compression=zstd"),
    ] {
        let failed = build.folder.build(case, &["--cache-to", to, "."])?;
        ensure!(failed.code == 1 && failed.err.contains(words), "{failed:?}");
    }
    let told = build.built(&["--cache-to", "type=registry,ref=localhost:1/x,ignore-error=true"])?;
    ensure!(told.contains("exporting cache to registry") && told.contains("ERROR: "), "{told}");
    let empty = Build::new(case, "cacheempty", "FROM busybox\n@\n")?;
    let cache = empty.reference("cacheempty");
    let told = empty.built(&["--cache-to", &format!("type=registry,ref={cache}")])?;
    ensure!(told.contains("skipping cache export for empty result"), "{told}");
    Ok(())
}

/// The engine pushes what it built, beside the cache.
pub(crate) fn pushed_by_the_engine(case: &Case<'_>) -> Result {
    let build = Build::new(case, "cachepushed", &format!("FROM busybox\n@\nRUN {CHANCE} >/n\n"))?;
    let pushed = build.reference("cachepushed");
    let arguments = ["-t", &pushed, "--push", "--cache-to", "type=inline", "--metadata-file", "told.json", "."];
    let told = build.folder.built(case, &arguments)?;
    ensure!(told.contains(&format!("pushing manifest for {pushed}")), "{told}");
    let digest = json(&build.folder.path().join("told.json"))?["containerimage.digest"].as_str().map(str::to_owned);
    let first = case.ok(&["run", "--rm", &pushed, "cat", "/n"])?;
    build.forget()?;
    let by_digest = format!("{}@{}", pushed.trim_end_matches(":1"), digest.context("no digest")?);
    case.ok(&["pull", "-q", &by_digest])?;
    case.ok(&["rmi", &by_digest])?;
    let told = build.built(&["--cache-from", &pushed])?;
    ensure!(is_cached(&told, "[2/2] RUN")? && build.file("/n")? == first, "{told}");
    Ok(())
}
