//! The steps of one stage: each is an image on top of the one before, taken from the cache where one was made from the same.

use crate::arguments::Arguments;
use crate::bases::Base;
use crate::cache::keys::{self, Words};
use crate::cache::{Cache, Line};
use crate::dockerfile::{Argument, Instruction, Invalid, Reason, Run, Step, trigger};
use crate::error::{Error, Result, expand};
use crate::files::Tree;
use crate::history;
use crate::layer::{self, Layer};
use crate::mounts::{self, Prepared};
use crate::paths;
use crate::run::{self, Container, SCRIPT, Wanted};
use crate::solve::short;
use crate::stages::Build;
use crate::transfer::Plan;
use crate::watch::{Place, Shown, is_shown};
use crate::{Output, Services, blocking};
use containers::changes::{self, Budget, Change, SHELL};
use engine_api::{ContainerConfig, StrSlice};
use images::{Draft, ImageId, Platform};
use layers::Digest;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, SemaphorePermit};

/// Where programs are looked for in an image that does not say.
pub(crate) const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What steps are told to run on, as in BuildKit.
const HOST: &str = "buildkitsandbox";

/// A stage that was built.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) image: Option<ImageId>,
    /// What it was said to be for.
    pub(crate) platform: Option<Platform>,
    /// What it declared, for the stages on top of it.
    pub(crate) arguments: Arguments,
    /// How many steps of its history are of the image that it began with.
    pub(crate) inherited: usize,
    /// Its steps, and those of the stages beneath.
    pub(crate) line: Line,
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
    command_set: bool,
    pub(crate) cache: Cache,
    pub(crate) line: Line,
    /// Nothing is made: it is only seen whether caches know all steps.
    pub(crate) foresees: bool,
    /// Its place among the steps that are carried out at once, while it has one.
    pub(crate) room: Option<SemaphorePermit<'a>>,
}

/// What a step does beside describing itself.
pub(crate) enum Work {
    /// Nothing.
    Describe,
    /// The working directory is made if need be.
    Directory(PathBuf),
    Copy(Box<Plan>),
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

    pub(crate) fn end(self, inherited: usize) -> Done {
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

    async fn declare(&mut self, arguments: &[Argument]) -> Result<()> {
        let mut text = String::from("ARG");
        for Argument { name, value } in arguments {
            let value = value.as_ref().map(|value| self.expand(value)).transpose()?;
            text.push(' ');
            text.push_str(name);
            if let Some(value) = &value {
                text.push('=');
                text.push_str(value);
            }
            self.arguments.declare(name, value);
        }
        self.describe(text, Work::Describe).await
    }

    async fn change(&mut self, change: &Change, text: &str) -> Result<()> {
        let [env, outer] = self.variables();
        let budget = Budget::default();
        let change = changes::substitute(change.clone(), [&env, &outer], self.build.escape, &budget)?;
        let was_escaped = self.config.args_escaped;
        changes::apply(&mut self.config, change.clone(), &mut self.command_set, &budget)?;
        if self.output.watch().is_some() {
            // Nothing reads it, but it is a part of what BuildKit makes.
            self.config.args_escaped = was_escaped || matches!(change, Change::Cmd(_));
        }
        let directory = &self.config.working_dir;
        let work = match &change {
            Change::Workdir(_) => Work::Directory(PathBuf::from(directory.trim_start_matches('/'))),
            Change::Env(pairs) => {
                self.arguments.set(pairs.iter().map(|(name, _)| name.as_str()));
                Work::Describe
            }
            _ => Work::Describe,
        };
        self.describe(history::words(&change, &self.config, text), work).await
    }

    /// A step without a command: the image's words about it begin with `#(nop)`, which no shell carries out.
    pub(crate) async fn describe(&mut self, text: String, work: Work) -> Result<()> {
        self.describe_by(text, Words::default(), work).await
    }

    /// What such a step's image is made from.
    pub(crate) fn described(&self, mark: String) -> ContainerConfig {
        let shell = self.config.shell.as_ref().filter(|shell| !shell.is_empty());
        let mut words = shell.map_or_else(|| SHELL.map(str::to_owned).to_vec(), |shell| shell.to_vec());
        words.push(mark);
        self.made_from(words)
    }

    /// [`describe`](Building::describe) for a step that goes by other words elsewhere.
    pub(crate) async fn describe_by(&mut self, text: String, words: Words, work: Work) -> Result<()> {
        let made_from = self.described(match &work {
            Work::Describe => format!("#(nop)  {text}"),
            Work::Directory(_) | Work::Copy(_) => format!("#(nop) {text}"),
        });
        let _turn = self.turn(&made_from).await;
        if self.cached(&made_from, words).await? {
            return Ok(());
        }
        let draft = self.draft(&made_from, None);
        let id = match work {
            Work::Describe => self.services().images.amend(self.image.as_ref(), draft).await?,
            Work::Directory(path) => {
                let image = self.tree().await?;
                let missing = {
                    let (image, path) = (Arc::clone(&image), path.clone());
                    blocking(move || {
                        let refused = |error: std::io::Error| Error::Destination {
                            path: format!("/{}", path.display()),
                            reason: error.to_string(),
                        };
                        let found = image.follow(&path).map_err(refused)?;
                        match found.stat {
                            Some(_) if !found.is_directory() => Err(refused(rustix::io::Errno::NOTDIR.into())),
                            there => Ok(there.is_none()),
                        }
                    })
                    .await?
                };
                if missing {
                    // Whoever works there from then on.
                    let user = Some(self.config.user.as_str()).filter(|user| !user.is_empty());
                    let owner = user.map(|user| layer::worker(user, &image));
                    let made = owner.map_or(layer::ROOT, |(uid, gid)| layer::Made { uid, gid, ..layer::ROOT });
                    let write = move |out: &mut dyn std::io::Write| {
                        let mut layer = Layer::new(&image, out);
                        layer.directory(&path, made).and_then(|_| layer.finish()).map_err(layers::Error::Read)
                    };
                    self.services().images.derive(self.image.as_ref(), draft, write).await?
                } else {
                    self.services().images.amend(self.image.as_ref(), draft).await?
                }
            }
            Work::Copy(plan) => {
                let image = self.tree().await?;
                let write = move |out: &mut dyn std::io::Write| plan.write(&image, out).map_err(layers::Error::Read);
                self.services().images.derive(self.image.as_ref(), draft, write).await?
            }
        };
        self.adopt(id)
    }

    /// Until nobody else makes the same step. Where nothing is taken from the cache, there is nothing to wait for.
    async fn turn(&self, made_from: &ContainerConfig) -> Option<OwnedMutexGuard<()>> {
        if self.fresh || self.foresees {
            return None;
        }
        let words = serde_json::to_vec(made_from).expect("a struct of plain fields");
        Some(self.build.builds.making.turn(Digest::of(&words)).await)
    }

    /// What it is made for, when it is made of nothing.
    pub(crate) fn platform(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }

    /// What the step's image is made from, as far as its parent does not say it.
    fn made_from(&self, words: Vec<String>) -> ContainerConfig {
        let image = self.image.map(|id| id.to_string()).unwrap_or_default();
        ContainerConfig { cmd: Some(StrSlice::from(words)), image, ..self.config.clone() }
    }

    pub(crate) fn draft(&self, made_from: &ContainerConfig, container: Option<String>) -> Draft {
        let json = |config: &ContainerConfig| serde_json::to_value(config).expect("a struct of plain fields");
        Draft {
            author: self.author.clone(),
            comment: String::new(),
            created_by: made_from.cmd.as_ref().map(|words| words.join(" ")).unwrap_or_default(),
            engine: self.build.request.engine.clone(),
            config: json(&self.config),
            container,
            container_config: json(made_from),
            platform: self.platform.clone(),
            keeper: Some(Arc::clone(&self.build.keeper)),
            reference: None,
        }
    }

    pub(crate) fn adopt(&mut self, id: ImageId) -> Result<()> {
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
            Ok(Tree::new(layers.mount(&layers.overlay(&chain, None)?)?))
        })
        .await
    }

    async fn run(&mut self, run: &Run) -> Result<()> {
        let not_yet =
            |option: &str| Error::NotYet(format!("the --{option} option of RUN: this builder does not have it yet"));
        let mounts = run.mounts.iter().map(|text| mounts::parse(text, |word| self.expand(word)));
        let mounts = mounts.collect::<Result<Vec<_>>>()?;
        if !run.devices.is_empty() {
            return Err(not_yet("device"));
        }
        match run.security.as_deref() {
            None | Some("" | "sandbox") => {}
            Some(other) => return Err(not_yet(&format!("security={other}"))),
        }
        let mut host = self.build.request.host.clone();
        match run.network.as_deref() {
            None | Some("" | "default") => {}
            Some("host") if !self.build.request.host_network => return Err(Error::NotAllowed("network.host")),
            Some(mode @ ("none" | "host")) => mode.clone_into(&mut host.network_mode),
            // The Dockerfile was read with no other.
            Some(other) => return Err(Invalid::from(Reason::Network(other.to_owned())).into()),
        }
        let words = run::words(run, &self.config);
        let from_mounts = self.mounts_made_from(&run.mounts, &mounts).await?;
        let arguments = self.arguments.for_cache(self.env());
        let is_watched = self.output.watch().is_some();
        let mut told = Vec::new();
        if !arguments.is_empty() {
            told.push(format!("|{}", arguments.len()));
            told.extend(arguments);
        }
        told.extend(from_mounts);
        // Docker's classic builder takes these for nothing that counts.
        if is_watched {
            told.extend(run::surroundings(&host));
        }
        // A script is what counts, not where it is put.
        told.extend(words.script.as_ref().map_or_else(|| words.command.clone(), |script| vec![script.clone()]));
        let mut made_from = self.made_from(told);
        made_from.network_disabled = host.network_mode == "none";
        if is_watched {
            // What the command writes there is the image's, as in BuildKit, and so it is not the same step.
            made_from.volumes = None;
        }
        let _turn = self.turn(&made_from).await;
        if self.cached(&made_from, Words::default()).await? {
            return Ok(());
        }
        let prepared = Arc::new(self.prepare(&mounts).await?);
        host.mounts.get_or_insert_default().extend(prepared.given.iter().cloned());
        let mut env = self.variables().concat();
        let mut config = self.config.clone();
        // The same for every build, by whichever protocol: what a command makes of it is in the image, and other builds find that.
        HOST.clone_into(&mut config.hostname);
        env.insert(0, "HOSTNAME".to_owned());
        let containers = &self.services().containers;
        let own = containers::Step {
            mounts: prepared.own.clone(),
            variables: prepared.variables.clone(),
            without_volumes: is_watched,
        };
        let wanted = Wanted { command: words.command.clone(), env, host, own, holds: Arc::clone(&prepared) };
        let told = |error: Error| match error {
            // By the classic builder's protocol the step is told of beside it.
            Error::Containers(cause) if is_watched => Error::Process { command: words.command.join(" "), cause },
            error => error,
        };
        let notes = &self.build.builds.notes;
        let container = Container::create(containers, self.image, &config, wanted, notes).await.map_err(told)?;
        let output = &self.output;
        // An image that is mounted is nothing that the user did.
        for warning in container.warnings.iter().filter(|_| prepared.given.is_empty()) {
            output.say(format!(" ---> [Warning] {warning}\n")).await;
        }
        output.say(format!(" ---> Running in {}\n", container.short())).await;
        let ended = self.carry_out(&container, &words, &prepared, &made_from).await;
        let (removes, forces) = (self.build.request.remove, self.build.request.force_remove);
        let short_id = container.short().to_owned();
        if forces || removes && ended.is_ok() {
            // The step has gone as it has, whatever becomes of its container.
            output
                .say(match container.remove().await {
                    Ok(()) => format!(" ---> Removed intermediate container {short_id}\n"),
                    Err(error) => format!("Error removing intermediate container {short_id}: {error}\n"),
                })
                .await;
        } else {
            container.keep();
        }
        self.adopt(ended.map_err(told)?)
    }

    async fn carry_out(
        &self,
        container: &Container,
        words: &run::Words,
        prepared: &Prepared,
        made_from: &ContainerConfig,
    ) -> Result<ImageId> {
        if let Some(script) = &words.script {
            container.put_script(script).await?;
        }
        match container.run(&self.output).await? {
            0 => {}
            code => return Err(Error::Command { command: words.command.join(" "), code }),
        }
        let draft = self.draft(made_from, Some(container.id.clone()));
        let script = words.script.iter().map(|_| SCRIPT.to_owned());
        let foreign = script.chain(prepared.targets.iter().cloned()).collect();
        Ok(self.services().containers.commit_step(&container.id, draft, foreign).await?)
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
