//! One build from its request to its image.

use crate::arguments::Arguments;
use crate::cache::Steps;
use crate::context::Context;
use crate::dockerfile::{Dockerfile, Instruction, Step, trigger};
use crate::given::is_directory;
use crate::stages::Build;
use crate::watch::Watch;
use crate::{Address, Builds, Error, Output, Request, Result, blocking};
use containers::changes::Change;
use events::{Event, Kind};
use images::{ImageId, Keeper, Platform, Reference, Sink, redact};
use std::collections::{BTreeMap, HashSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio_util::io::SyncIoBridge;

/// What came of a build.
#[derive(Debug)]
pub struct Built {
    pub image: ImageId,
    /// Until it is dropped, no image of the build can be deleted.
    pub kept: Arc<Keeper>,
    pub steps: Steps,
    /// How many of its layers, the lowest, are those of the image that its last stage began with.
    pub inherited: usize,
}

impl Builds {
    /// Builds an image. Dropping the future ends it: no container, mount or file of it stays.
    ///
    /// # Errors
    ///
    /// What is wrong with the request, its context or its Dockerfile, and what a step failed by.
    pub async fn build(
        &self,
        request: Request,
        context: impl AsyncRead + Send + Unpin + 'static,
        output: Output,
    ) -> Result<ImageId> {
        let result = self.solve(&request, context, &output).await;
        output.finish(result.as_ref().copied().map_err(|_| ())).await;
        result
    }

    async fn solve(
        &self,
        request: &Request,
        context: impl AsyncRead + Send + Unpin + 'static,
        output: &Output,
    ) -> Result<ImageId> {
        let (root, name) = (self.contexts.clone(), request.dockerfile.clone());
        let context = match &request.remote {
            None => {
                let archive = SyncIoBridge::new(context);
                blocking(move || Context::unpack(&root, archive, &name)).await?
            }
            Some(url) if let Some(address) = Address::parse(url).map_err(Error::Repository)? => {
                self.checkout(request, address, output).await?
            }
            Some(url) => {
                let failed = |cause| Error::Remote { url: redact::web_address(url), cause: Box::new(cause) };
                let source = self.services.images.download(url, &Sink::silent()).await.map_err(failed)?;
                output.status("Downloading context", &redact::web_address(url));
                let content = SyncIoBridge::new(source.into_reader());
                blocking(move || Context::downloaded(&root, content, &name)).await?
            }
        };
        let Built { image: id, kept, .. } = self.carry_out(request, context, output).await?;
        output.say(format!("Successfully built {}\n", short(&id))).await;
        for familiar in self.tag(&id, &request.tags).await? {
            output.say(format!("Successfully tagged {familiar}\n")).await;
        }
        drop(kept);
        Ok(id)
    }

    /// The files of a repository as the context.
    async fn checkout(&self, request: &Request, mut address: Address, output: &Output) -> Result<Context> {
        let kept = request.arguments.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR").cloned().flatten();
        if kept.is_some_and(|value| is_true(&value)) {
            address.keep_git_dir = Some(true);
        }
        // What it is, is all that clients of this protocol are told.
        let bare = |error| match error {
            Error::NoRepository(cause) => Error::Repository(cause),
            error => error,
        };
        let repository = self.find_repository(&address, None).await.map_err(bare)?;
        output.status("Downloading context", &redact::address(&address.remote));
        let (root, name) = (self.contexts.clone(), request.dockerfile.clone());
        let (directory, files) = blocking(move || Context::empty(&root)).await?;
        repository.fetch(files, Arc::clone(&directory), |_| ()).await?;
        blocking(move || Context::read(directory, &name)).await
    }

    /// Builds an image for a client that follows each step and has the build's files; it is not tagged, and stays as long as its keeper.
    /// Dropping the future ends the build.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn build_for(&self, request: &Request, dockerfile: String, client: Arc<dyn Watch>) -> Result<Built> {
        let context = Context::elsewhere(&self.contexts, dockerfile)?;
        self.carry_out(request, context, &Output::watched(client)).await
    }

    async fn carry_out(&self, request: &Request, context: Context, output: &Output) -> Result<Built> {
        let mut dockerfile = Dockerfile::parse(&context.dockerfile).map_err(|mut invalid| {
            invalid.name_file(&context.name);
            invalid
        })?;
        check_syntax(&dockerfile)?;
        if !request.target.is_empty() {
            dockerfile = dockerfile.up_to(&request.target)?;
        }
        if let Some(client) = output.watch() {
            replace(&mut dockerfile, |name| client.named(name))?;
        }
        label(&mut dockerfile, request);
        let mut build = Build::new(self, request, output, context, &dockerfile);
        let id = build.run().await?;
        let unused = build.arguments.unused();
        if !unused.is_empty() {
            let names = unused.join(" ");
            output.say(format!("[Warning] One or more build-args [{names}] were not consumed\n")).await;
        }
        let (kept, steps) = (Arc::clone(&build.keeper), build.steps());
        let inherited = build.last().map(|done| done.inherited).unwrap_or_default();
        let built = Built { image: id, kept, steps, inherited: inherited.layers };
        let Some(time) = request.time else { return Ok(built) };
        let image = self.services.images.redate(&id, inherited.steps, time, Arc::clone(&built.kept)).await?;
        self.marks.used(&image);
        Ok(Built { image, ..built })
    }

    /// The same image without anything younger than `time` above its `inherited` lowest layers; one more that a build made.
    ///
    /// # Errors
    ///
    /// [`images::Images::clamp`]'s.
    pub async fn clamp(
        &self,
        id: &ImageId,
        inherited: usize,
        time: jiff::Timestamp,
        kept: Arc<Keeper>,
    ) -> Result<ImageId> {
        let image = self.services.images.clamp(id, inherited, time, kept).await?;
        self.marks.used(&image);
        Ok(image)
    }

    /// The files of an image, to be read: a mount that nobody else sees.
    ///
    /// # Errors
    ///
    /// Those of the image store and of the kernel.
    pub async fn files(&self, id: &ImageId) -> Result<OwnedFd> {
        let (images, layers, id) = (self.services.images.clone(), self.services.layers.clone(), *id);
        blocking(move || Ok(layers.mount(&layers.overlay(&images.image(&id)?.chain, None)?)?)).await
    }

    /// Tags an image that was built, which is somebody's from then on, though without a name; answers the names as people know them.
    ///
    /// # Errors
    ///
    /// Those of the image store.
    pub async fn tag(&self, id: &ImageId, tags: &[Reference]) -> Result<Vec<String>> {
        self.marks.result(id);
        let mut names = Vec::new();
        // Each once, in order.
        let mut tagged = HashSet::new();
        for reference in tags {
            if !tagged.insert(reference.clone().or_latest().to_string()) {
                continue;
            }
            self.services.images.tag(&id.to_string(), reference).await?;
            let familiar = reference.clone().or_latest().familiar();
            let labels = self.services.images.image(id)?.labels().unwrap_or_default();
            let event = Event::new(Kind::Image, "tag", id.to_string()).with_all(labels).with("name", familiar.as_str());
            self.services.events.emit(event);
            names.push(familiar);
        }
        Ok(names)
    }
}

/// Whether a frontend reads Dockerfiles as Docker's own does, which is what this builder does itself.
pub fn is_own_frontend(reference: &str) -> bool {
    let name = reference.strip_prefix("docker.io/").unwrap_or(reference);
    let bare = name.split([':', '@']).next().unwrap_or_default();
    matches!(bare, "docker/dockerfile" | "docker/dockerfile-upstream")
}

/// As Go reads it.
pub fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// `# syntax=`: the standard frontends are served by this one, others are programs that it does not run.
pub(crate) fn check_syntax(dockerfile: &Dockerfile) -> Result<()> {
    let Some((_, frontend, _)) = dockerfile.directives.iter().find(|(name, ..)| name == "syntax") else {
        return Ok(());
    };
    if is_own_frontend(frontend.split_whitespace().next().unwrap_or_default()) {
        return Ok(());
    }
    Err(Error::NotYet(format!("# syntax={frontend}: this builder reads Dockerfiles itself and runs no other frontend")))
}

/// `--build-context NAME=…` with the name of a stage, or of what one begins with: what the client has is there instead. A folder is a
/// stage that begins with nothing and copies it; where files are only taken from it, nothing is made.
pub(crate) fn replace(dockerfile: &mut Dockerfile, given: impl Fn(&str) -> Option<String>) -> Result<()> {
    let is_folder = |name: &str| given(name).is_some_and(|given| is_directory(&given));
    let last = dockerfile.stages.len().saturating_sub(1);
    let mut earlier: HashSet<String> = HashSet::new();
    for (number, stage) in dockerfile.stages.iter_mut().enumerate() {
        let name = stage.name.clone();
        if let Some(name) = name.clone().filter(|name| given(name).is_some()) {
            (stage.base, stage.platform) = (name.clone(), None);
            stage.steps.clear();
            if is_folder(&name) && number != last {
                SCRATCH.clone_into(&mut stage.base);
            }
        }
        let base = stage.base.clone();
        // A name of a stage that nobody replaces is that stage.
        if is_folder(&base) && !earlier.contains(&base.to_lowercase()) {
            let step = trigger(&format!("COPY --from={base} . /"))?;
            stage.steps.insert(0, Step { lines: stage.lines.clone(), ..step });
            SCRATCH.clone_into(&mut stage.base);
        }
        earlier.extend(name.filter(|name| !is_folder(name)).map(|name| name.to_lowercase()));
    }
    Ok(())
}

/// What a stage begins with that begins with nothing.
const SCRATCH: &str = "scratch";

/// `--label`: as if they stood at the end of the last stage, each by itself.
fn label(dockerfile: &mut Dockerfile, request: &Request) {
    let Some(stage) = dockerfile.stages.last_mut() else { return };
    for (name, value) in &request.labels {
        // Nothing in them is a variable.
        let literal = |text: &str| format!("'{}'", text.replace('\'', "'\"'\"'"));
        let change = Change::Label(vec![(literal(name), literal(value))]);
        let text = format!("LABEL {name}={value}");
        stage.steps.push(Step { instruction: Instruction::Change(change), text, lines: stage.lines.clone() });
    }
}

/// What a build knows before its first line: no argument is declared yet, and none is `given` where its defaults are asked for.
pub(crate) fn arguments(request: &Request, given: BTreeMap<String, Option<String>>, is_buildkit: bool) -> Arguments {
    let host = Platform::host().to_string();
    let target = request.platform.as_ref().map_or_else(|| host.clone(), Platform::to_string);
    let arguments = Arguments::new(given, &target, &host);
    if is_buildkit { arguments.of_buildkit(&request.target) } else { arguments }
}

pub(crate) fn short(id: &ImageId) -> String {
    id.hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_has_takes_the_place_of_stages_and_bases() {
        let given = |name: &str| match name {
            "image" => Some("docker-image://busybox".to_owned()),
            "folder" => Some("local:folder".to_owned()),
            _ => None,
        };
        let of = |text: &str| {
            let mut dockerfile = Dockerfile::parse(text).expect("valid");
            replace(&mut dockerfile, given).expect("replaced");
            let stages = dockerfile.stages.iter().map(|stage| {
                let steps: Vec<&str> = stage.steps.iter().map(|step| step.text.as_str()).collect();
                format!("{}: {}", stage.base, steps.join("; "))
            });
            stages.collect::<Vec<_>>()
        };
        let copy = "scratch: COPY --from=folder . /";
        assert_eq!(of("FROM a AS image\nRUN b\nFROM image\nRUN c"), ["image: ", "image: RUN c"]);
        assert_eq!(
            of("FROM a AS folder\nRUN b\nFROM c\nCOPY --from=folder d e"),
            ["scratch: ", "c: COPY --from=folder d e"]
        );
        assert_eq!(of("FROM a AS folder\nRUN b\nFROM folder\nRUN c"), ["scratch: ", &format!("{copy}; RUN c")]);
        assert_eq!(of("FROM a\nFROM b AS folder\nRUN c"), ["a: ", copy]);
        assert_eq!(of("FROM folder\nRUN c"), [format!("{copy}; RUN c")]);
        assert_eq!(of("FROM a AS other\nFROM other"), ["a: ", "other: "]);
    }
}
