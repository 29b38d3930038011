//! The steps of one stage: each is an image on top of the one before, taken from the cache where one was made from the same.

use crate::arguments::Arguments;
use crate::bases::Base;
use crate::cache::keys;
use crate::cache::{Cache, Line};
use crate::describe::Work;
use crate::digests::Lasts;
use crate::dockerfile::{Instruction, Step, trigger};
use crate::error::{Error, Result, expand};
use crate::files::Tree;
use crate::mounts;
use crate::paths;
use crate::solve::short;
use crate::stages::Build;
use crate::watch::{Place, Shown, is_shown};
use crate::{Output, Services, blocking};
use engine_api::{ContainerConfig, StrSlice};
use images::{ImageId, Platform};
use layers::Digest;
use std::sync::Arc;
use tokio::sync::SemaphorePermit;

/// Where programs are looked for in an image that does not say.
pub(crate) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage that was built.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) image: Option<ImageId>,
    /// What it was said to be for.
    pub(crate) platform: Option<Platform>,
    /// What it declared, for the stages on top of it.
    pub(crate) arguments: Arguments,
    pub(crate) inherited: Inherited,
    /// Its steps, and those of the stages beneath.
    pub(crate) line: Line,
}

/// How much of a stage is of the image that it began with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Inherited {
    /// Of its history.
    pub(crate) steps: usize,
    pub(crate) layers: usize,
}

/// A stage that is being built.
#[derive(Debug)]
pub(crate) struct Building<'a, 'b> {
    pub(crate) build: &'a Build<'b>,
    pub(crate) number: usize,
    /// With the step of this stage that is under way.
    pub(crate) output: Output,
    pub(crate) arguments: Arguments,
    place: Place,
    image: Option<ImageId>,
    pub(crate) platform: Option<Platform>,
    /// Nothing is taken from the cache.
    fresh: bool,
    /// The image's, as it is by now.
    pub(crate) config: ContainerConfig,
    pub(crate) author: String,
    /// A CMD came in this stage: an ENTRYPOINT takes away only one of before.
    pub(crate) command_set: bool,
    pub(crate) cache: Cache,
    pub(crate) line: Line,
    /// Nothing is made: it is only seen whether caches know all steps.
    pub(crate) foresees: bool,
    /// Its place among the steps that are carried out at once, while it has one.
    pub(crate) room: Option<SemaphorePermit<'a>>,
}

impl<'a, 'b> Building<'a, 'b> {
    /// Begins with an image, or with no file at all, and carries out what it has for the builds on top of it.
    pub(crate) async fn begin(
        build: &'a Build<'b>,
        number: usize,
        output: Output,
        arguments: Arguments,
        base: Base<'_>,
    ) -> Result<Building<'a, 'b>> {
        let Base { image, platform, place, beneath } = base;
        let line = match beneath {
            Some(beneath) => beneath.line.clone(),
            None => Line::new(keys::of_base(image.as_ref(), platform.as_ref().unwrap_or(&Platform::host()))),
        };
        let name = build.dockerfile.stages[number].name.as_ref();
        let fresh = build.request.no_cache || name.is_some_and(|name| build.request.no_cache_stages.contains(name));
        let mut building = Building {
            build,
            number,
            output,
            arguments,
            place,
            image,
            platform,
            fresh,
            config: ContainerConfig::default(),
            author: String::new(),
            command_set: false,
            cache: Cache::begin(&build.builds.services, fresh, &build.request.cache_from),
            line,
            foresees: false,
            room: None,
        };
        let config = image.map(|id| building.config_of(&id)).transpose()?;
        let triggers = building.open(config);
        if !triggers.is_empty() {
            let s = if triggers.len() > 1 { "s" } else { "" };
            building.output.say(format!("# Executing {} build trigger{s}\n", triggers.len())).await;
            let steps = triggers.iter().map(|text| trigger(text)).collect::<Result<Vec<_>, _>>()?;
            building.place.add(steps.iter().map(|step| &step.instruction));
            for step in steps {
                building.step(&step).await?;
            }
        }
        let shown = building.image.map(|id| short(&id)).unwrap_or_default();
        building.output.say(format!(" ---> {shown}\n")).await;
        Ok(building)
    }

    /// Begins with the configuration of an image, or of nothing; answers what it has for the builds on top of it.
    pub(crate) fn open(&mut self, config: Option<ContainerConfig>) -> Vec<String> {
        let is_scratch = config.is_none();
        self.config = config.unwrap_or_default();
        let config = &mut self.config;
        if is_scratch && self.output.watch().is_some() {
            "/".clone_into(&mut config.working_dir);
        }
        // Who typed into the container that the image was made of does not type into others.
        (config.open_stdin, config.stdin_once) = (false, false);
        let env = config.env.get_or_insert_default();
        if !env.iter().any(|variable| variable.starts_with("PATH=")) {
            env.push(PATH.to_owned());
        }
        config.on_build.take().unwrap_or_default()
    }

    /// Begins to see whether caches know all steps of a stage.
    pub(crate) fn foreseeing(
        build: &'a Build<'b>,
        number: usize,
        arguments: Arguments,
        line: Line,
        platform: Option<Platform>,
    ) -> Building<'a, 'b> {
        Building {
            build,
            number,
            output: build.output.aside(),
            arguments,
            place: Place::default(),
            image: None,
            platform,
            fresh: false,
            config: ContainerConfig::default(),
            author: String::new(),
            command_set: false,
            cache: Cache::Own,
            line,
            foresees: true,
            room: None,
        }
    }

    pub(crate) fn image(&self) -> Option<ImageId> {
        self.image
    }

    /// Nothing is taken from a cache.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(crate) fn end(self, inherited: Inherited) -> Done {
        let Building { image, platform, arguments, line, .. } = self;
        Done { image, platform, arguments, inherited, line }
    }

    pub(crate) fn services(&self) -> &Services {
        &self.build.builds.services
    }

    fn config_of(&self, id: &ImageId) -> Result<ContainerConfig> {
        config_in(&self.services().images.image(id)?.raw)
    }

    pub(crate) fn env(&self) -> &[String] {
        self.config.env.as_deref().unwrap_or_default()
    }

    /// What the words of an instruction see: variables of the image, and arguments.
    pub(crate) fn variables(&self) -> [Vec<String>; 2] {
        let arguments = &self.arguments;
        let env = self.env().iter().filter(|variable| !arguments.hides(variable)).cloned().collect();
        [env, arguments.for_steps(self.env())]
    }

    pub(crate) fn expand(&self, word: &str) -> Result<String> {
        let [env, outer] = self.variables();
        expand(word, [&env, &outer], self.build.escape)
    }

    /// Carries out one instruction.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<()> {
        if !is_shown(&step.instruction) {
            let is_watched = self.output.watch().is_some();
            let lines = step.lines.clone();
            return self.carry(step).await.map_err(|error| match error {
                error if is_watched => Error::Step { lines, error: Box::new(error) },
                error => error,
            });
        }
        if self.output.watch().is_some() {
            self.fetch(&step.instruction).await?;
        }
        // What it waits for is there by now: whoever has room gets on.
        self.enter().await?;
        let name = self.place.next(&step.text);
        self.output.begin(|| Shown { name, lines: Some(step.lines.clone()) });
        let result = self.carry(step).await;
        self.room = None;
        self.output.end(&result);
        result
    }

    /// Takes a place among the steps that are carried out at once.
    pub(crate) async fn enter(&mut self) -> Result<()> {
        let build = self.build;
        self.room = Some(build.room.acquire().await.map_err(|_| Error::Stopping)?);
        Ok(())
    }

    /// Has the client send what a step takes from it, and other stages make what it takes from them: those are steps of their own.
    async fn fetch(&self, instruction: &Instruction) -> Result<()> {
        let mut from: Vec<String> = Vec::new();
        // What is wrong with them is told when the step is under way.
        let word = |word: &str| self.expand(word).unwrap_or_default();
        let wanted = match instruction {
            Instruction::Copy(copy) => {
                if let Some(name) = &copy.from {
                    let name = self.expand(name)?;
                    // What is copied may be known without.
                    if !self.is_foreseen(&name).await {
                        from.push(name);
                    }
                }
                paths::of_transfer(copy, word)
            }
            Instruction::Run(run) => {
                let mounts = run.mounts.iter().filter_map(|text| mounts::parse(text, |word| self.expand(word)).ok());
                from.extend(mounts.filter_map(|mount| mount.taken_from().cloned().flatten()));
                paths::of_run(run, word)
            }
            _ => Vec::new(),
        };
        if !wanted.is_empty() {
            self.build.context_path(&wanted).await?;
        }
        for from in from {
            if self.build.local_path(&from).await?.is_none()
                // What is wrong with it, too.
                && let Ok(Some(at)) = self.build.stage_of(&from, self.number)
            {
                self.build.stage(at).await?;
            }
        }
        Ok(())
    }

    /// Carries it out, and nobody is told.
    pub(crate) async fn carry(&mut self, step: &Step) -> Result<()> {
        match &step.instruction {
            Instruction::Arg(arguments) => self.declare(arguments).await,
            Instruction::Maintainer(author) => {
                self.author.clone_from(author);
                self.describe(format!("MAINTAINER {author}"), Work::Describe).await
            }
            Instruction::Shell(words) => {
                self.config.shell = Some(StrSlice::from(words.clone()));
                self.describe(format!("SHELL [{}]", words.join(" ")), Work::Describe).await
            }
            Instruction::Change(change) => self.change(change, &step.text).await,
            Instruction::Run(run) => self.run(run).await,
            Instruction::Copy(transfer) => self.copy(transfer).await,
        }
    }

    /// Goes on with what a step came to.
    pub(crate) fn adopt(&mut self, id: ImageId) -> Result<()> {
        self.build.builds.marks.used(&id);
        self.line.push(Some(id));
        self.image = Some(id);
        self.config = self.config_of(&id)?;
        Ok(())
    }

    /// The files of the image that the stage has come to.
    pub(crate) async fn tree(&self) -> Result<Arc<Tree>> {
        self.tree_of(self.image).await.map(Arc::new)
    }

    pub(crate) async fn tree_of(&self, image: Option<ImageId>) -> Result<Tree> {
        let (images, layers) = (self.services().images.clone(), self.services().layers.clone());
        blocking(move || {
            let chain =
                image.map(|id| images.image(&id).map(|image| image.chain.clone())).transpose()?.unwrap_or_default();
            let lasts = Digest::chain(&chain).map_or(Lasts::Build, Lasts::Image);
            Ok(Tree::new(layers.mount(&layers.overlay(&chain, None)?)?).lasting(lasts))
        })
        .await
    }
}

/// How the containers of an image run, by its JSON.
pub(crate) fn config_in(image: &serde_json::Value) -> Result<ContainerConfig> {
    match image.get("config") {
        Some(value) if !value.is_null() => engine_api::decode(value.to_string().as_bytes())
            .map_err(|error| images::Error::Corrupt(format!("the image's configuration is malformed: {error}")).into()),
        _ => Ok(ContainerConfig::default()),
    }
}
